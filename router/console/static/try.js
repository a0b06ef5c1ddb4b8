// An event that is tried on a destination: what it begins with, and what became of it. Text is only ever set as text.
export function start() {
  const example = document.getElementById("try-example");
  example?.addEventListener("change", () => { document.getElementById("try-event").value = example.value; });
  const source = document.getElementById("try-source");
  source?.addEventListener("change", () => {
    const query = new URLSearchParams(location.search);
    query.set("source", source.value);
    location.search = query;
  });
}

export function showTrials(trials) {
  document.getElementById("trials").replaceChildren(...trials.map(card));
}

function card(trial) {
  const tone = trial.accepted ? "fine" : "trouble";
  const word = trial.sent ? (trial.accepted ? "accepted" : "not accepted") : (trial.accepted ? "would be sent" : "would not be sent");
  const title = made("h3", "", "");
  title.append(made("span", tone, `${trial.accepted ? "●" : "■"} ${word}`), ` ${trial.title}`);
  const steps = made("ol", "timeline", "");
  for (const step of trial.steps) {
    const says = step.says.length ? step.says : ["nothing to change"];
    const line = made("li", "", "");
    line.append(made("strong", "", step.agent), made("span", step.ended ? "trouble" : "", `${step.ended ? "■ " : ""}${says.join("\n")}`));
    steps.append(line);
  }
  const box = made("section", "trial", "");
  box.append(title, steps);
  if (trial.problems.length) box.append(...part("Left out by the mapping", trial.problems.join("\n")));
  if (trial.refusal) box.append(...part("Not sent", trial.refusal));
  for (const request of trial.requests) box.append(...part("Our request", request));
  if (trial.written) box.append(...part("What it would write", trial.written));
  if (trial.answer) box.append(...part("Their answer", trial.answer));
  return box;
}

function part(title, text) {
  const shown = made("pre", "", text);
  shown.tabIndex = 0; // it may have to be scrolled
  return [made("h4", "", title), shown];
}

function made(kind, name, text) {
  const one = document.createElement(kind);
  one.className = name;
  one.textContent = text;
  return one;
}
