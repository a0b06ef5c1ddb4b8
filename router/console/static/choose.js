// Rows of a table that an action is for: what is chosen is said on the button and in its dialog.
const chosen = () => [...document.querySelectorAll("input[data-chosen]:checked")];

export function start() {
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-chooses-all]")) {
      for (const one of document.querySelectorAll("input[data-chosen]")) one.checked = event.target.checked;
    }
    if (event.target.matches("[data-chooses-all], [data-chosen]")) say();
  });
  document.addEventListener("renewed", say);
  say();
}

function say() {
  const count = chosen().length;
  const all = document.querySelector("[data-chooses-all]");
  if (all) {
    all.checked = count > 0 && count === document.querySelectorAll("input[data-chosen]").length;
    all.indeterminate = count > 0 && !all.checked;
  }
  for (const one of document.querySelectorAll("[data-says-chosen]")) {
    one.textContent = count ? `${one.dataset.saysChosen} ${count} chosen…` : `${one.dataset.saysChosen}…`;
  }
  const scope = document.getElementById("redrive-scope");
  if (scope) scope.textContent = count ? `${count} chosen.` : scope.dataset.all;
  for (const one of document.querySelectorAll("[data-unless-chosen]")) {
    one.hidden = count > 0;
    one.querySelector("select").disabled = count > 0;
  }
}
