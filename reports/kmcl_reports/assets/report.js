"use strict";
for (const bar of document.querySelectorAll(".filter")) {
  const table = document.getElementById(bar.dataset.table);
  bar.hidden = false;
  bar.addEventListener("click", (event) => {
    const chosen = event.target.closest("button");
    if (!chosen) return;
    for (const button of bar.querySelectorAll("button")) {
      button.setAttribute("aria-pressed", String(button === chosen));
    }
    for (const group of table.tBodies) {
      let shown = 0;
      for (const row of group.querySelectorAll("tr[data-verdict]")) {
        row.hidden = chosen.value !== "" && row.dataset.verdict !== chosen.value;
        shown += row.hidden ? 0 : 1;
      }
      group.hidden = shown === 0;
    }
  });
}
for (const command of document.querySelectorAll(".command")) {
  if (!navigator.clipboard) break;
  const button = document.createElement("button");
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(command.querySelector("pre").textContent);
    button.textContent = "Copied";
  });
  command.append(button);
}
// Paper shows everything: a closed section would print as its title alone.
addEventListener("beforeprint", () => {
  for (const section of document.querySelectorAll("details")) section.open = true;
});
