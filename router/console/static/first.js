// Snippets in tabs, and the first event that comes after the page was opened. Without a script all snippets are shown.
const ASK_MS = 1000;
const PATIENT_MS = 60000;

export function start() {
  for (const box of document.querySelectorAll(".tabbed")) tabs(box);
  const waiting = document.getElementById("arrival");
  if (waiting) new Arrival(waiting);
}

function tabs(box) {
  const list = box.querySelector("[role=tablist]");
  const all = [...list.querySelectorAll("[role=tab]")];
  const choose = (chosen) => {
    for (const one of all) {
      one.setAttribute("aria-selected", String(one === chosen));
      one.tabIndex = one === chosen ? 0 : -1;
      document.getElementById(one.getAttribute("aria-controls")).hidden = one !== chosen;
    }
  };
  list.hidden = false;
  box.classList.add("on");
  list.addEventListener("click", (event) => { if (all.includes(event.target)) choose(event.target); });
  list.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = all[(all.indexOf(document.activeElement) + step + all.length) % all.length];
    choose(next);
    next.focus();
  });
  choose(all[0]);
}

// The texts with their key, as the console sends them to an operator who asked.
export function fill(snippets) {
  for (const [kind, text] of Object.entries(snippets)) {
    const shown = document.getElementById(`snippet-${kind}`);
    if (shown) shown.textContent = text;
  }
}

class Arrival {
  constructor(root) {
    this.query = new URLSearchParams({ source: root.dataset.source, since: root.dataset.since });
    this.source = root.dataset.source;
    this.says = document.getElementById("arrival-says");
    this.link = document.getElementById("arrival-link");
    this.began = Date.now();
    this.before = null;
    this.ask();
  }

  async ask() {
    if (!document.hidden) {
      try {
        const answer = await fetch(`/arrived?${this.query}`);
        if (answer.ok && this.take(await answer.json())) return;
      } catch {
        this.tell("The console did not answer, trying again…");
      }
    }
    setTimeout(() => this.ask(), ASK_MS);
  }

  take(found) {
    this.before ??= found;
    const row = found.row;
    if (row) {
      const at = new Date(row.time).toLocaleTimeString(undefined, { hourCycle: "h23" });
      this.tell(`Arrived ${at}: ${row.type} ${row.event}`.trim() + ".");
      this.link.href = `/find?q=${encodeURIComponent(row.messageId)}`;
      this.link.hidden = !row.messageId;
      return true;
    }
    if (Date.now() - this.began < PATIENT_MS) return false;
    const unknown = found.unknown - this.before.unknown;
    if (unknown > 0) this.tell(`Nothing yet. ${unknown} came with an unknown key since you opened this page: check the key.`);
    else if (found.accepted > this.before.accepted) this.tell(`Nothing from ${this.source} yet; other sources do send.`);
    else this.tell("Nothing yet, and the gateway has had no event: check host and port.");
    return false;
  }

  tell(text) {
    if (this.says.textContent !== text) this.says.textContent = text;
  }
}
