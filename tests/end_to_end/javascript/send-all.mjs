// Spans, a log record and metrics of a mission, with the official SDK: send-all.mjs PROTOCOL MARK.
// PROTOCOL is grpc, proto (HTTP with protobuf) or http (HTTP with JSON).
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BatchLogRecordProcessor, LoggerProvider } from "@opentelemetry/sdk-logs";
import { MeterProvider, PeriodicExportingMetricReader } from "@opentelemetry/sdk-metrics";
import { BatchSpanProcessor, NodeTracerProvider } from "@opentelemetry/sdk-trace-node";

const protocol = process.argv[2];
const { OTLPTraceExporter } = await import(`@opentelemetry/exporter-trace-otlp-${protocol}`);
const { OTLPLogExporter } = await import(`@opentelemetry/exporter-logs-otlp-${protocol}`);
const { OTLPMetricExporter } = await import(`@opentelemetry/exporter-metrics-otlp-${protocol}`);

const mark = process.argv[3];
const resource = resourceFromAttributes({ "service.name": mark });
const mission = { "neurorail.mission.id": `m_${mark}` };

const loggers = new LoggerProvider({
  resource,
  processors: [new BatchLogRecordProcessor({ exporter: new OTLPLogExporter() })],
});
loggers.getLogger("tests").emit({
  eventName: "neurorail.lifecycle.transition",
  body: "the agent began",
  attributes: {
    ...mission,
    "neurorail.transitions": ["create", "enqueue", "start"],
    "neurorail.budget.max_tokens": 50,
  },
});
await loggers.shutdown();

const provider = new NodeTracerProvider({
  resource,
  spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter())],
});
provider.register();
const tracer = provider.getTracer("tests", "1.2.3");
tracer.startActiveSpan("agent run", (run) => {
  run.setAttributes({ ...mission, "neurorail.entity.type": "mission", tried: [1, 2.5] });
  tracer.startActiveSpan("chat gpt-4o", (call) => {
    call.setAttributes({
      ...mission,
      "gen_ai.operation.name": "chat",
      "gen_ai.provider.name": "openai",
      "gen_ai.request.model": "gpt-4o",
      "gen_ai.usage.input_tokens": 100,
      "gen_ai.usage.output_tokens": 10,
    });
    call.addEvent("first chunk", { at: 1.5 });
    call.end();
  });
  run.end();
});
await provider.shutdown();

const meters = new MeterProvider({
  resource,
  readers: [new PeriodicExportingMetricReader({ exporter: new OTLPMetricExporter() })],
});
const meter = meters.getMeter("tests");
meter.createCounter("calls").add(3, { tool: "search" });
meter.createHistogram("latency", { unit: "ms" }).record(12.5);
await meters.shutdown();
