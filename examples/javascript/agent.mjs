// An agent in JavaScript: OpenTelemetry's SDK, its baggage processor, and NeuroRail's attribute names.
import { randomUUID } from "node:crypto";
import { context, propagation } from "@opentelemetry/api";
import { BaggageSpanProcessor } from "@opentelemetry/baggage-span-processor";
import { OTLPLogExporter } from "@opentelemetry/exporter-logs-otlp-proto";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { BatchLogRecordProcessor, LoggerProvider } from "@opentelemetry/sdk-logs";
import { BatchSpanProcessor, NodeTracerProvider } from "@opentelemetry/sdk-trace-node";

// The processor copies what is in baggage onto every span; only our names, nothing of others'.
const provider = new NodeTracerProvider({
  spanProcessors: [
    new BaggageSpanProcessor((name) => name.startsWith("neurorail.")),
    new BatchSpanProcessor(new OTLPTraceExporter()),
  ],
});
provider.register();
const loggers = new LoggerProvider({
  processors: [new BatchLogRecordProcessor({ exporter: new OTLPLogExporter() })],
});

const run = randomUUID().replaceAll("-", "");
const mission = `m_${run}`;

// At once: the mission runs, and what it may use.
loggers.getLogger("agent").emit({
  eventName: "neurorail.lifecycle.transition",
  attributes: {
    "neurorail.mission.id": mission,
    "neurorail.entity.type": "mission",
    "neurorail.transitions": ["create", "enqueue", "start"],
    "neurorail.budget.max_tokens": 10000,
  },
});

const chain = propagation.createBaggage({
  "neurorail.mission.id": { value: mission },
  "neurorail.plan.id": { value: `p_${run}` },
  "neurorail.job.id": { value: `j_${run}` },
  "neurorail.attempt.id": { value: `a_${run}` },
});
const tracer = provider.getTracer("agent");
context.with(propagation.setBaggage(context.active(), chain), () => {
  tracer.startActiveSpan("book a trip", (attempt) => {
    attempt.setAttribute("neurorail.entity.type", "attempt");
    tracer.startActiveSpan("chat gpt-4o", (call) => {
      call.setAttributes({
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.usage.input_tokens": 1200,
        "gen_ai.usage.output_tokens": 300,
      });
      call.end();
    });
    attempt.end();
  });
});

await loggers.shutdown();
await provider.shutdown();
console.log(mission);
