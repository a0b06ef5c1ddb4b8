// The live table of a source: rows come over a WebSocket, 500 at most are kept, the body of one comes when it is opened.
const MOST = 500;
const AGAIN_MS = 2000;
const MARKS = {
  received: ["◆", "information"], invalid: ["■", "trouble"], blocked: ["■", "trouble"], duplicate: ["○", "quiet"],
  passed: ["●", "fine"], delivered: ["●", "fine"], retrying: ["▲", "attention"], dead: ["■", "trouble"],
};
const WORDS = { received: "on its way" };

export function start(announce) {
  const root = document.getElementById("live");
  if (root) new LiveTable(root, announce);
}

class LiveTable {
  constructor(root, announce) {
    this.source = root.dataset.source;
    this.announce = announce;
    this.body = document.getElementById("live-rows");
    this.says = document.getElementById("live-says");
    this.pauseButton = document.getElementById("pause");
    this.form = document.getElementById("filters");
    this.drawer = document.getElementById("drawer");
    this.rows = new Map();
    this.held = new Map();
    this.paused = false;
    this.skipped = 0;
    this.seen = 0;
    this.fresh = 0;
    this.away = "";
    this.pauseButton.addEventListener("click", () => this.pause());
    this.form.addEventListener("input", () => this.ask());
    this.form.addEventListener("submit", (event) => event.preventDefault());
    this.body.addEventListener("click", (event) => this.open(event.target.closest("tr")));
    this.rawButton = document.getElementById("drawer-raw");
    this.rawButton.addEventListener("click", () => this.raw());
    document.getElementById("drawer-close").addEventListener("click", () => this.close());
    document.addEventListener("keydown", (event) => this.pressed(event));
    document.addEventListener("visibilitychange", () => this.visible());
    setInterval(() => this.tell(), 10000);
    this.connect();
  }

  connect() {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = this.socket = new WebSocket(`${scheme}://${location.host}/live`);
    socket.onopen = () => this.ask();
    socket.onmessage = (event) => this.take(JSON.parse(event.data));
    socket.onclose = () => {
      if (this.socket !== socket) return;
      this.socket = null;
      if (document.hidden) return;
      this.says.textContent = "Connection lost, trying again. What you see stays.";
      setTimeout(() => { if (!this.socket && !document.hidden) this.connect(); }, AGAIN_MS);
    };
  }

  visible() {
    if (document.hidden && this.socket) {
      const socket = this.socket;
      this.socket = null;
      socket.close();
    } else if (!document.hidden && !this.socket) this.connect();
  }

  ask() {
    const wanted = Object.fromEntries(new FormData(this.form));
    wanted.violations = "violations" in wanted;
    wanted.source = this.source;
    if (this.socket && this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(wanted));
  }

  take(batch) {
    this.seen = batch.seen;
    this.skipped = batch.passedOver + (batch.skipped || 0);
    this.away = batch.away;
    if (batch.fresh && !this.paused) {
      this.rows.clear();
      this.body.replaceChildren();
    }
    for (const row of batch.rows) {
      if (this.paused && !this.rows.has(row.id)) {
        this.held.set(row.id, row);
        if (this.held.size > MOST) this.held.delete(this.held.keys().next().value);
      } else this.draw(row);
    }
    this.status();
  }

  draw(row) {
    const old = this.rows.get(row.id);
    const line = old ? old.line : document.createElement("tr");
    const [mark, tone] = MARKS[row.outcome] || ["○", "quiet"];
    const at = new Date(row.time);
    const time = cell("time", at.toLocaleTimeString(undefined, { hourCycle: "h23" }), "Time");
    time.title = at.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "long" });
    const event = document.createElement("th");
    event.scope = "row";
    event.append(button(row.event || row.type || "event"));
    const outcome = cell(`state ${tone}`, `${mark} ${WORDS[row.outcome] || row.outcome}`, "Outcome");
    if (row.violations) outcome.append(text("attention", ` ▲ ${row.violations}`, `${row.violations} violations`));
    const destinations = cell("", "", "Destinations");
    for (const [name, state] of Object.entries(row.destinations)) {
      const [sign, colour] = MARKS[state] || ["○", "quiet"];
      destinations.append(text(colour, `${sign} ${name} `, `${name}: ${state}`));
    }
    line.replaceChildren(
      time, cell("", row.type, "Type"), event, cell("", row.user, "User"), outcome, destinations,
      cell("n", row.size.toLocaleString(), "Size"),
    );
    line.dataset.row = "";
    line.dataset.id = row.id;
    this.rows.set(row.id, { line, row });
    if (old) return;
    this.fresh += 1;
    this.body.prepend(line);
    if (this.rows.size > MOST) {
      const last = this.body.lastElementChild;
      this.rows.delete(last.dataset.id);
      last.remove();
    }
  }

  status() {
    this.pauseButton.textContent = this.paused ? `Resume · ${this.held.size} new` : "Pause";
    this.pauseButton.setAttribute("aria-pressed", String(this.paused));
    const filtered = [...new FormData(this.form).values()].some((value) => value);
    if (this.away) this.says.textContent = `Kafka does not answer: ${this.away}. What you see stays.`;
    else if (this.rows.size) {
      const over = this.skipped ? `, ${this.skipped.toLocaleString()} passed over: a sample` : "";
      this.says.textContent = `Showing the newest ${this.rows.size} of what was seen since somebody looks${over}. Filters look at all of it.`;
    } else this.says.textContent = filtered ? "No event matches these filters." : `Waiting for events from ${this.source}.`;
  }

  tell() {
    if (this.fresh && !document.hidden) document.getElementById("announce").textContent = `${this.fresh} new events`;
    this.fresh = 0;
  }

  pause() {
    this.paused = !this.paused;
    if (!this.paused) {
      for (const row of this.held.values()) this.draw(row);
      this.held.clear();
    }
    this.status();
  }

  async open(line) {
    const known = line && this.rows.get(line.dataset.id);
    if (!known) return;
    if (!this.paused) this.pause();
    this.opened = line;
    this.found = null;
    const row = known.row;
    const find = (what) => `/find?q=${encodeURIComponent(what)}`;
    document.getElementById("drawer-title").textContent = `${row.type} ${row.event}`;
    document.getElementById("drawer-why").href = find(row.messageId);
    document.getElementById("drawer-user").href = find(row.user);
    document.getElementById("drawer-user").hidden = !row.user;
    const taken = new URLSearchParams({ tab: "try", source: this.source, at: row.place });
    for (const link of this.drawer.querySelectorAll("[data-try]")) link.search = taken;
    const facts = { Outcome: row.outcome, User: row.user, messageId: row.messageId, Place: row.place };
    document.getElementById("drawer-facts").replaceChildren(...Object.entries(facts).flatMap(([name, value]) => {
      const term = document.createElement("dt");
      const said = document.createElement("dd");
      term.textContent = name;
      said.textContent = value || "–";
      return [term, said];
    }));
    const shown = document.getElementById("drawer-body");
    shown.textContent = "Reading…";
    this.drawer.hidden = false;
    this.drawer.focus();
    try {
      const answer = await fetch(`/event?at=${encodeURIComponent(row.place)}`);
      const found = await answer.json();
      this.found = answer.ok ? found : { title: "", body: found.error, raw: found.error };
      this.show();
    } catch {
      shown.textContent = "The console did not answer.";
    }
  }

  // The call as it was written with its body laid out, or the message as one line.
  show() {
    const raw = this.rawButton.getAttribute("aria-pressed") === "true";
    const { title, body, raw: line } = this.found;
    document.getElementById("drawer-body").textContent = raw ? line : `${title}\n\n${body}`.trim();
  }

  raw() {
    this.rawButton.setAttribute("aria-pressed", String(this.rawButton.getAttribute("aria-pressed") !== "true"));
    if (this.found) this.show();
  }

  close() {
    this.drawer.hidden = true;
    this.opened?.querySelector("button")?.focus();
  }

  pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, textarea, select")) return;
    if (event.key === "p") this.pause();
    if (event.key === "Escape" && !this.drawer.hidden) this.close();
    if (event.key === "r" && !this.drawer.hidden) this.raw();
    if (event.key === "w" && !this.drawer.hidden) document.getElementById("drawer-why").click();
    if (event.key === "c" && !this.drawer.hidden) this.drawer.querySelector("[data-copies]").click();
  }
}

function cell(kind, content, label) {
  const made = document.createElement("td");
  made.className = kind;
  made.dataset.label = label;
  made.textContent = content;
  return made;
}

function text(kind, content, title) {
  const made = document.createElement("span");
  made.className = kind;
  made.textContent = content;
  made.title = title;
  return made;
}

function button(content) {
  const made = document.createElement("button");
  made.type = "button";
  made.className = "link";
  made.textContent = content;
  return made;
}
