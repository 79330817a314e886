// Pause, resume and flatten: asked twice, sent with the token.

import { get, post, Refused } from "./api.js";
import { $ } from "./dom.js";

const EFFECTS = {
  pause: "No more entries; an open trade is managed on.",
  resume: "Entries are allowed again.",
  flatten: "Cancel every order, close the position at market, and pause.",
};

/** Wire the buttons; `symbol()` is the instrument they act on. */
export function commands(symbol, tell) {
  $("commands").hidden = false;
  let action = null;
  for (const button of document.querySelectorAll("[data-command]")) {
    button.addEventListener("click", async () => {
      action = button.dataset.command;
      $("confirm-title").textContent = `${button.textContent} ${symbol()}?`;
      $("confirm-text").textContent = EFFECTS[action];
      const { authorized } = await get("/api/session").catch(() => ({ authorized: false }));
      $("confirm-token").hidden = authorized;
      $("token").value = "";
      $("confirm-error").textContent = "";
      $("confirm").showModal();
    });
  }
  $("confirm-no").addEventListener("click", () => $("confirm").close());
  $("confirm-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      if (!$("confirm-token").hidden) await post("/api/login", { token: $("token").value });
      await post("/api/command", { action, symbol: symbol(), confirm: true });
      $("confirm").close();
      tell(`${symbol()}: ${action} was sent`);
    } catch (error) {
      $("confirm-error").textContent =
        error instanceof Refused ? error.message : "The server does not answer.";
      if (error.status === 401) $("confirm-token").hidden = false;
    }
  });
}
