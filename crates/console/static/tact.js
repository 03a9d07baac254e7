// A little script over pages that work without it: keys, lists that stay true by themselves, and a word when the server is away.
"use strict";
(() => {
  const body = document.body, notice = document.getElementById("notice");
  const part = { headers: { "Tact-Part": "1" }, credentials: "same-origin", cache: "no-store" };

  // A link to sign in carries its secret behind the #, which no server sees.
  const link = document.querySelector("form[data-link]");
  if (link && location.hash.length > 20) {
    link.elements.link.value = location.hash.slice(1);
    history.replaceState(null, "", location.pathname);
    link.requestSubmit();
  }

  // Whether the server answers.
  let away = false, hidden;
  const say = (text, isAway) => { notice.textContent = text; notice.classList.toggle("away", isAway); };
  const gone = () => { if (!away) { away = true; say(body.dataset.away, true); } };
  const here = () => {
    if (!away) return;
    away = false; say(body.dataset.back, false);
    clearTimeout(hidden); hidden = setTimeout(() => say("", false), 4000);
  };

  // Lists that stay true: when the server says that something has happened, they are asked for again, and what one was on stays in focus.
  const lists = document.getElementById("lists");
  let asking = false, again = false, typing = false;
  const place = () => {
    const entry = document.activeElement && document.activeElement.closest("[data-entry]");
    if (!entry) return null;
    const field = document.activeElement;
    return { entry: entry.dataset.entry, name: field.name || "", value: field.tagName === "BUTTON" ? field.value : null };
  };
  const restore = (was) => {
    if (!was) return;
    const entry = lists.querySelector(`[data-entry="${CSS.escape(was.entry)}"]`);
    if (!entry) return;
    const same = [...entry.querySelectorAll("button, input, a")].find((one) => (one.name || "") === was.name && (was.value === null || one.value === was.value));
    (was.name && same ? same : entry).focus({ preventScroll: true });
  };
  const noteOf = (entry) => lists.querySelector(`[data-entry="${CSS.escape(entry)}"] input[name=note]`);
  // What was typed and not sent yet, by the entry that it belongs to.
  const typed = () => [...lists.querySelectorAll("input[name=note]")].filter((field) => field.value)
    .map((field) => [field.closest("[data-entry]").dataset.entry, field.value]);
  const fresh = async () => {
    if (!lists) return;
    if (asking) { again = true; return; }
    // Nobody's note is taken from under their hands.
    typing = document.activeElement && document.activeElement.matches("#lists input[name=note]") && document.activeElement.value !== "";
    if (typing) return;
    asking = true;
    try {
      const answer = await fetch(lists.dataset.live, part);
      if (answer.status === 401) { location.reload(); return; }
      if (answer.ok) {
        const html = await answer.text(), was = place();
        if (html !== lists.dataset.html) {
          const notes = typed();
          lists.innerHTML = html; lists.dataset.html = html;
          notes.forEach(([entry, text]) => { const field = noteOf(entry); if (field) field.value = text; });
          restore(was);
        }
        here();
      }
    } catch { gone(); }
    asking = false;
    if (again) { again = false; fresh(); }
  };
  if (lists && window.EventSource) {
    const follow = () => {
      const live = new EventSource("/live");
      live.onmessage = fresh;
      live.addEventListener("position", fresh);
      live.onopen = () => { here(); fresh(); };
      live.onerror = () => { gone(); if (live.readyState === EventSource.CLOSED) setTimeout(follow, 2000); };
    };
    follow();
    document.addEventListener("focusout", (event) => { if (typing && event.target.matches("input[name=note]")) fresh(); });
  }

  // Forms of a list are sent without leaving the page.
  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (!form.matches("[data-live-form]") || !lists) return;
    event.preventDefault();
    const data = new URLSearchParams(new FormData(form, event.submitter));
    const buttons = [...form.querySelectorAll("button")];
    buttons.forEach((button) => { button.disabled = true; });
    try {
      const answer = await fetch(form.action, { ...part, method: "POST", body: data });
      if (answer.status === 401) { location.reload(); return; }
      const html = await answer.text();
      if (answer.ok) {
        here();
        const said = new DOMParser().parseFromString(html, "text/html").getElementById("notice-part");
        if (said) say(said.textContent, false);
        const was = place();
        await fresh();
        restore(was);
      } else {
        const word = new DOMParser().parseFromString(html, "text/html").body.textContent.trim();
        say(word, true);
      }
    } catch { gone(); }
    buttons.forEach((button) => { button.disabled = false; });
  });

  // Typing finds.
  const find = document.getElementById("find");
  const hits = () => document.getElementById("hits");
  let turn = 0;
  if (find && hits()) {
    find.addEventListener("input", async () => {
      const mine = ++turn;
      try {
        const answer = await fetch(`/find?q=${encodeURIComponent(find.value)}`, part);
        if (answer.ok && mine === turn) { hits().outerHTML = await answer.text(); here(); }
      } catch { gone(); }
    });
  }

  // Keys.
  const entries = () => [...document.querySelectorAll("#lists .entry")];
  const current = () => document.activeElement && document.activeElement.closest(".entry");
  const move = (by) => {
    const all = entries();
    if (!all.length) return;
    const at = all.indexOf(current());
    all[Math.max(0, Math.min(all.length - 1, at < 0 ? (by > 0 ? 0 : all.length - 1) : at + by))].focus();
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const types = event.target.matches("input, select, textarea");
    if (event.key === "Escape" && types) { event.target.blur(); return; }
    if (types) return;
    // By the place of the key, so that a Russian layout has the same ones.
    const code = event.code;
    if (event.key === "/" || (code === "Slash" && !event.shiftKey)) { if (find) { event.preventDefault(); find.focus(); find.select(); } return; }
    if (!lists) return;
    if (event.key === "ArrowDown" || code === "KeyJ") { event.preventDefault(); move(1); return; }
    if (event.key === "ArrowUp" || code === "KeyK") { event.preventDefault(); move(-1); return; }
    const entry = current();
    if (!entry) return;
    if (event.key === "Enter" && event.target === entry) { const to = entry.querySelector("h3 a"); if (to) to.click(); return; }
    const wanted = code === "KeyT" ? "t" : /^(Digit|Numpad)[0-6]$/.test(code) ? code.slice(-1) : null;
    const button = wanted && entry.querySelector(`button[data-key="${wanted}"]`);
    if (button) { event.preventDefault(); button.click(); }
  });
})();
