"use strict";
(() => {
  const search = document.getElementById("search");
  const count = document.getElementById("count");
  const nothing = document.getElementById("nothing");
  const cards = [...document.querySelectorAll("article[data-text]")];
  const links = new Map([...document.querySelectorAll("nav a[data-for]")].map((a) => [a.dataset.for, a]));
  const intro = document.querySelector(".intro");
  const common = document.getElementById("common");
  const total = cards.length;
  const noun = total === 1 ? "rule" : "rules";

  // Every word must occur somewhere in a rule; rows whose name holds one are marked.
  const show = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const card of cards) {
      const fits = words.every((word) => card.dataset.text.includes(word));
      card.hidden = !fits;
      const link = links.get(card.id);
      if (link) link.parentElement.hidden = !fits;
      shown += fits;
      for (const row of card.querySelectorAll("tbody tr")) {
        const name = row.cells[0].querySelector("code").textContent.toLowerCase();
        row.classList.toggle("hit", fits && words.some((word) => word.length > 1 && name.includes(word)));
      }
    }
    for (const section of document.querySelectorAll("nav section")) {
      section.hidden = [...section.querySelectorAll("li")].every((item) => item.hidden);
    }
    intro.hidden = words.length > 0;
    if (common) common.hidden = !words.every((word) => common.textContent.toLowerCase().includes(word));
    nothing.hidden = shown > 0 || total === 0;
    count.textContent = words.length ? `${shown} of ${total} ${noun}` : `${total} ${noun}`;
  };
  search.addEventListener("input", show);

  document.addEventListener("keydown", (event) => {
    const typing = event.target === search;
    if (event.key === "/" && !typing) { event.preventDefault(); search.focus(); search.select(); }
    if (event.key === "Escape" && typing) { search.value = ""; show(); search.blur(); }
  });

  document.addEventListener("click", (event) => {
    const target = event.target.closest("button");
    if (!target) return;
    if (target.dataset.search !== undefined) {
      search.value = target.dataset.search.toLowerCase().replace(/\s+/g, " ");
      show();
      window.scrollTo({ top: 0 });
    }
    if (target.classList.contains("copy")) {
      const text = target.closest("figure").querySelector("pre").textContent;
      navigator.clipboard?.writeText(text).then(() => {
        target.textContent = "Copied";
        setTimeout(() => { target.textContent = "Copy"; }, 1200);
      }, () => { target.textContent = "Press Ctrl+C"; });
    }
  });

  // The choice is kept where the browser allows a page from a file to keep anything.
  const kept = (value) => {
    try { return value === undefined ? localStorage.getItem("theme") : localStorage.setItem("theme", value); } catch { return null; }
  };
  const root = document.documentElement;
  if (kept()) root.dataset.theme = kept();
  document.getElementById("theme").addEventListener("click", () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    kept(root.dataset.theme);
  });

  if ("IntersectionObserver" in window) {
    const watcher = new IntersectionObserver((entries) => {
      for (const entry of entries) if (entry.isIntersecting) {
        for (const link of links.values()) link.classList.remove("here");
        links.get(entry.target.id)?.classList.add("here");
      }
    }, { rootMargin: "-15% 0px -75% 0px" });
    for (const card of cards) watcher.observe(card);
  }

  const asked = new URLSearchParams(location.search).get("q");
  if (asked) { search.value = asked; show(); }
})();
