// Keyboard, theme, times, actions, and the parts of a page that renew themselves. Text is only ever set as text.
import { start as startChoosing } from "./choose.js";
import { fill, start as startFirst } from "./first.js";
import { showTrials, start as startTry } from "./try.js";
import { start as startLive } from "./live.js";

const RENEW_MS = 5000;
const BUSY_MS = 1000; // while something goes on whose progress is shown
const THEMES = ["auto", "light", "dark"];
const body = document.body;

export function announce(text) {
  const toast = document.getElementById("toast");
  toast.textContent = text;
  toast.hidden = false;
  clearTimeout(announce.timer);
  announce.timer = setTimeout(() => { toast.hidden = true; }, 6000);
}

// Times in the browser's own zone, with the whole of it as the title.
function localTimes(root) {
  for (const one of root.querySelectorAll("time[datetime]")) {
    const at = new Date(one.dateTime);
    if (isNaN(at)) continue;
    if ("date" in one.dataset) one.textContent = at.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short", hourCycle: "h23" });
    else if (!("ago" in one.dataset)) one.textContent = at.toLocaleTimeString(undefined, { hourCycle: "h23" });
    one.title = at.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "long" });
  }
  for (const mark of root.querySelectorAll("[data-at]")) {
    const at = new Date(mark.dataset.at);
    const form = "daily" in mark.dataset ? { day: "numeric", month: "short" } : { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
    if (!isNaN(at)) mark.textContent = at.toLocaleString(undefined, form);
  }
}

// The page is asked for again as a document, which no script and no handler in it can use; parts of it take the place
// of those that are shown.
function renew(done) {
  const busy = document.hidden || document.querySelector("dialog[open], .drawer:not([hidden])") !== null;
  const shown = document.querySelectorAll("[data-live]");
  if (busy || !shown.length) return;
  const request = new XMLHttpRequest();
  request.responseType = "document";
  request.open("GET", location.href);
  request.onload = () => {
    if (request.responseURL && new URL(request.responseURL).pathname === "/login") {
      const ended = document.getElementById("ended");
      if (!ended.open) ended.showModal();
      return;
    }
    if (request.status === 404) return announce("What this page shows is no longer in the topology.");
    if (request.status !== 200 || !request.response) return lost();
    for (const old of shown) {
      const fresh = request.response.getElementById(old.id);
      const active = old.contains(document.activeElement) ? document.activeElement : null;
      if (!fresh || active?.matches("input:not([data-chosen]), textarea, select") || old.isEqualNode(fresh)) continue;
      const next = document.importNode(fresh, true);
      keepOpen(old, next);
      localTimes(next);
      old.replaceWith(next);
      if (active) (same(next, active) || document.getElementById("main")).focus({ preventScroll: true });
    }
    document.dispatchEvent(new Event("renewed"));
    done?.();
  };
  request.onerror = lost;
  request.send();
}

// What somebody has opened, closed or chosen stays so.
function keepOpen(old, next) {
  const before = new Map([...old.querySelectorAll("details[data-keep]")].map((one) => [one.dataset.keep, one.open]));
  for (const one of next.querySelectorAll("details[data-keep]")) one.open = before.get(one.dataset.keep) ?? one.open;
  for (const one of old.querySelectorAll("input[data-chosen]:checked")) {
    const again = next.querySelector(`input[data-chosen][value="${CSS.escape(one.value)}"]`);
    if (again) again.checked = true;
  }
  const here = [...old.querySelectorAll("[data-row]")].findIndex((row) => row.classList.contains("here"));
  if (here >= 0) next.querySelectorAll("[data-row]")[here]?.classList.add("here");
}

// What stands in the place of an element that had the focus.
function same(next, active) {
  return [...next.querySelectorAll(active.tagName)].find(
    (one) => one.textContent === active.textContent && one.value === active.value
      && one.getAttribute("href") === active.getAttribute("href"),
  );
}

function lost() {
  announce("Connection lost, trying again. What you see may be old.");
}

function switchTheme() {
  const root = document.documentElement;
  const next = THEMES[(THEMES.indexOf(root.dataset.theme) + 1) % THEMES.length];
  root.dataset.theme = next;
  document.cookie = `router_theme=${next}; path=/; max-age=31536000; samesite=strict`;
  announce(`Theme: ${next === "auto" ? "as the system" : next}`);
}

// Rows: j and k walk, Enter opens.
function walk(step) {
  const rows = [...document.querySelectorAll("[data-row]")].filter((row) => row.offsetParent !== null);
  if (!rows.length) return;
  const here = rows.findIndex((row) => row.classList.contains("here"));
  const next = rows[Math.min(rows.length - 1, Math.max(0, here + step))] || rows[0];
  if (here >= 0) rows[here].classList.remove("here");
  next.classList.add("here");
  const target = next.matches("button, a, [tabindex]") ? next : next.querySelector("a, button, summary");
  if (target) target.focus();
  next.scrollIntoView({ block: "nearest" });
}

let waiting = "";
function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const field = event.target.matches("input, textarea, select");
  if (event.key === "Escape" && field) event.target.blur();
  if (field || document.querySelector("dialog[open]")) return;
  if (waiting === "g") {
    waiting = "";
    const link = [...document.querySelectorAll("#sections a")].find((one) => one.dataset.key === event.key);
    if (link) { event.preventDefault(); link.click(); }
    return;
  }
  const acts = {
    g: () => { waiting = "g"; setTimeout(() => { waiting = ""; }, 1500); },
    "/": () => (document.getElementById("search") || document.getElementById("find")).focus(),
    t: switchTheme,
    "?": () => document.getElementById("help").showModal(),
    "[": () => document.querySelector(".picker [rel=prev]")?.click(),
    "]": () => document.querySelector(".picker [rel=next]")?.click(),
    r: () => { if (document.querySelector(".drawer:not([hidden])") === null) renew(() => announce("Renewed")); },
    j: () => walk(1),
    k: () => walk(-1),
  };
  if (acts[event.key]) { event.preventDefault(); acts[event.key](); }
}

// A button with data-action opens its dialog; the form in it says what is sent.
export async function act(name, values) {
  const answer = await fetch(`/do/${name}`, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Console-Token": body.dataset.token },
    body: JSON.stringify(values),
  }).catch(() => { throw new Error("The console does not answer: it is not known whether this was done."); });
  const said = await answer.json().catch(() => ({ error: "the console did not answer as expected" }));
  if (!answer.ok) throw new Error(said.error || `status ${answer.status}`);
  return said;
}

// A name that stands several times is a list.
function valuesOf(data) {
  const names = [...new Set(data.keys())];
  return Object.fromEntries(names.map((name) => [name, data.getAll(name).length > 1 ? data.getAll(name) : data.get(name)]));
}

function submitted(event) {
  const form = event.target;
  if (!form.dataset.action) return;
  event.preventDefault();
  const values = valuesOf(new FormData(form, event.submitter));
  delete form.dataset.changed;
  const said = form.querySelector("output");
  const buttons = [...form.querySelectorAll("button")].filter((one) => !one.disabled);
  const begins = buttons.filter((one) => "begins" in one.dataset);
  buttons.forEach((one) => { one.disabled = true; });
  event.submitter?.closest("dialog:not(:has(form[data-action]))")?.close();
  if (said) said.textContent = "Working…";
  act(form.dataset.action, values).then((answer) => {
    if (said) said.textContent = answer.says; else announce(answer.says);
    if (answer.snippets) fill(answer.snippets);
    if (answer.trials) showTrials(answer.trials);
    if (values.stay === "dry") mayBegin(form, !("changed" in form.dataset));
    if (!("stay" in values)) { form.closest("dialog")?.close(); announce(answer.says); }
    renew();
  }).catch((error) => {
    if (said) said.textContent = error.message; else announce(error.message);
  }).finally(() => buttons.filter((one) => !begins.includes(one)).forEach((one) => { one.disabled = false; }));
}

// What comes before it in its form is a dry run.
function mayBegin(form, allowed) {
  form.querySelectorAll("[data-begins]").forEach((one) => { one.disabled = !allowed; });
}

function clicked(event) {
  const button = event.target.closest("button, a");
  if (!button) return;
  if ("help" in button.dataset) document.getElementById("help").showModal();
  if ("themeSwitch" in button.dataset) switchTheme();
  if (button.dataset.opens) openDialog(document.getElementById(button.dataset.opens));
  if ("closes" in button.dataset) button.closest("dialog").close();
  if (button.dataset.copies) {
    navigator.clipboard.writeText(document.getElementById(button.dataset.copies).textContent)
      .then(() => announce("Copied"), () => announce("The browser did not let us copy"));
  }
}

// What was counted is what is begun: with another value it has to be counted again.
function changed(event) {
  const form = event.target.closest("form[data-counts-first]");
  if (!form || event.target.name === "reason") return;
  form.dataset.changed = "yes";
  mayBegin(form, false);
}

// What was said or counted when it was open before is no longer so.
function openDialog(dialog) {
  for (const form of dialog.querySelectorAll("form[data-action]")) {
    form.querySelectorAll("output").forEach((one) => { one.textContent = ""; });
    if ("countsFirst" in form.dataset) mayBegin(form, false);
  }
  dialog.showModal();
}

document.addEventListener("keydown", pressed);
document.addEventListener("input", changed);
document.addEventListener("submit", submitted);
document.addEventListener("click", clicked);
localTimes(document);
for (const one of document.querySelectorAll(".sections [aria-current], .tabs [aria-current]")) {
  one.parentElement.scrollLeft = one.offsetLeft - one.parentElement.offsetLeft - 16; // on a phone it may be beyond the edge
}
let renewed = Date.now();
setInterval(() => {
  if (Date.now() - renewed < RENEW_MS && !document.querySelector("[data-busy]")) return;
  renewed = Date.now();
  renew();
}, BUSY_MS);
startLive(announce);
startChoosing();
startFirst();
startTry();
body.dataset.ready = "yes";
