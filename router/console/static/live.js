// Live events of a source: started where a page has them.
export function start() {
  const root = document.getElementById("live");
  if (!root) return;
}
