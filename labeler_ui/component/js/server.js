// Talks to the app's own routes: adds the token, renews it in time, and tells "no answer" from "refused".

class Unreachable extends Error {}

class Refused extends Error {
  constructor(status, reason, message) {
    super(message);
    this.status = status;
    this.reason = reason;
  }
}

const REQUEST_TIMEOUT_MS = 12000;
const RENEW_BEFORE_MS = 8 * 60 * 1000;

class Server {
  // `askForToken` is the second way to a fresh token, through Streamlit, when this one has expired for good.
  constructor(projectId, askForToken) {
    this.base = `/api/projects/${projectId}`;
    this.askForToken = askForToken;
    this.token = "";
    this.validUntil = 0;
    this.renewing = false;
  }

  setToken(token, expiresIn) {
    if (token === this.token) return;
    this.token = token;
    this.validUntil = performance.now() + expiresIn * 1000;
  }

  async post(path, body, keepalive = false) {
    this.renewInTime();
    const response = await this.request(`${this.base}/${path}`, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Borderline-Token": this.token },
      body: JSON.stringify(body),
      cache: "no-store",
      keepalive,
    });
    return this.json(response);
  }

  async get(path) {
    this.renewInTime();
    return this.json(await this.fetched(`${this.base}/${path}`, "no-store"));
  }

  // What a query asks about: an address of the query, for its picture need not be the image's own.
  asked(queryId) {
    return this.blob(`${this.base}/queries/${queryId}/image`);
  }

  image(sampleId) {
    return this.blob(`${this.base}/images/${sampleId}`);
  }

  // An address of this app only: the token goes nowhere else.
  async blob(address) {
    const url = new URL(address, window.location.origin);
    if (url.origin !== window.location.origin || !url.pathname.startsWith("/api/")) {
      throw new Refused(400, "address", "This picture's address is not one of this app.");
    }
    const response = await this.fetched(url.pathname + url.search);
    try {
      return await response.blob();
    } catch (error) {
      throw new Unreachable(String(error));
    }
  }

  fetched(url, cache = "default") {
    return this.request(url, { headers: { "X-Borderline-Token": this.token }, cache });
  }

  async request(url, options) {
    let response;
    try {
      response = await fetch(url, { ...options, signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS) });
    } catch (error) {
      throw new Unreachable(String(error));
    }
    if (response.ok) return response;
    if (response.status === 401) this.askForToken();
    const problem = await this.json(response).catch(() => ({}));
    const { reason = "failed", message = `The server answered ${response.status}.` } = problem.error ?? {};
    throw new Refused(response.status, reason, message);
  }

  async json(response) {
    try {
      return await response.json();
    } catch (error) {
      throw new Unreachable(String(error));
    }
  }

  renewInTime() {
    if (this.renewing || performance.now() < this.validUntil - RENEW_BEFORE_MS) return;
    this.renewing = true;
    const options = {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Borderline-Token": this.token },
      body: "{}",
    };
    this.request("/api/token", options)
      .then((response) => this.json(response))
      .then(({ token, expires_in }) => this.setToken(token, expires_in))
      .catch(() => {}) // the next request tries again; a 401 asks Streamlit
      .finally(() => {
        this.renewing = false;
      });
  }
}
