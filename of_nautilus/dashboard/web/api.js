// The server's REST side.

export class Refused extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

/** GET an endpoint; parameters that are null are left out. */
export function get(path, parameters = {}) {
  const query = new URLSearchParams(
    Object.entries(parameters).filter(([, value]) => value !== null && value !== undefined),
  );
  return ask(query.size ? `${path}?${query}` : path, {});
}

export function post(path, body) {
  return ask(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
}

async function ask(path, options) {
  const answer = await fetch(path, { ...options, credentials: "same-origin", cache: "no-store" });
  const said = await answer.json().catch(() => null);
  if (!answer.ok)
    throw new Refused(answer.status, textOf(said?.detail) || `${path} answered ${answer.status}`);
  return said;
}

// A refused parameter comes as text, or as a list of what was wrong with each.
function textOf(detail) {
  if (!Array.isArray(detail)) return detail;
  return detail.map((each) => `${(each.loc ?? []).join(" ")}: ${each.msg}`).join("; ");
}
