// Runs before the page is drawn, so that a chosen theme does not flash. Everything else is a module.
(() => {
  const chosen = localStorage.getItem("safelight.theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
})();
