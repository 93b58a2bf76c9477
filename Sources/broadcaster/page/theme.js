// Before the first paint: the theme that was chosen here, if one was. Without a choice the system's one rules (page.css).
"use strict";
try {
  const theme = localStorage.getItem("truthtable-theme");
  if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;
} catch {
  // Storage is refused: the system's theme then.
}
