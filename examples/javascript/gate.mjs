// A gate in 60 lines: follows directives, asks `decide` before a call, settles what it used.
export class Refused extends Error {}
const refused = (why) => Object.assign(new Refused(`${why.reason} (${why.code})`), why);
export class Gate {
  constructor(endpoint, key) {
    const headers = { "content-type": "application/json", ...(key && { "x-api-key": key }) };
    Object.assign(this, { endpoint, headers, directives: new Map() });
  }
  async fetch(path, body, signal) {
    const more = body && { method: "POST", body: JSON.stringify(body) };
    const answer = await fetch(this.endpoint + path, { headers: this.headers, signal, ...more });
    if (answer.ok) return answer;
    throw new Error(`${path} answered ${answer.status}`);
  }
  hold({ ttl_ms, ...directive }) {
    const until = performance.now() + (ttl_ms ?? Infinity); // From when it came.
    this.directives.set(directive.directive_id, { ...directive, until });
  }
  async follow(signal, onOpen = () => {}) {
    for (; !signal.aborted; await new Promise((done) => setTimeout(done, 1000).unref())) {
      try {
        const all = await (await this.fetch("/api/neurorail/v1/control/directives")).json();
        this.directives = new Map();
        all.directives.forEach(this.hold, this);
        const from = `/api/neurorail/v1/control/stream?event_id=${all.event_id}`;
        const { body } = await this.fetch(from, undefined, signal);
        onOpen();
        let text = "";
        for await (const part of body.pipeThrough(new TextDecoderStream())) {
          const messages = (text + part).split(/\r?\n\r?\n/);
          text = messages.pop();
          for (const one of messages) this.take(JSON.parse(/^data: (.*)$/m.exec(one)?.[1] ?? "{}"));
        }
      } catch {} // Read all anew: nothing was missed that is not in the next picture.
    }
  }
  take({ event_type, data }) {
    if (event_type === "stream_lagged") throw new Error("missed some");
    if (event_type === "directive_issued") this.hold(data);
    if (event_type === "directive_lifted") this.directives.delete(data.directive_id);
  }
  check(facts) {
    for (const { until, scope, ...directive } of this.directives.values()) {
      const { entity_type, entity_id, ...named } = scope;
      const wanted = Object.entries(entity_id ? { [`${entity_type}_id`]: entity_id } : named);
      if (performance.now() < until && wanted.every(([name, value]) => facts[name] === value))
        throw refused(directive);
    }
  }
  async call({ context = {}, job_type = "llm_call", estimates, ...ids }, work) {
    this.check({ ...ids, ...context, job_type });
    const question = { ...ids, context, job_type, estimates };
    const decision = await (await this.fetch("/api/governor/v1/decide", question)).json();
    if (!decision.allowed) throw refused(decision);
    const { answer, usage } = await work(decision.reservation.id);
    const path = `/api/governor/v1/reservations/${decision.reservation.id}/reconcile`;
    await this.fetch(path, { usage, model: context.model });
    return answer;
  }
}
