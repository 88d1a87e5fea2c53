// One mission over OTLP/gRPC with the official SDK; prints its id.
import { BatchSpanProcessor, NodeTracerProvider } from "@opentelemetry/sdk-trace-node";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-grpc";

const provider = new NodeTracerProvider({
  spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter())],
});
const tracer = provider.getTracer("tests");

tracer.startActiveSpan("a call", (span) => {
  const id = `m_${span.spanContext().traceId}`;
  span.setAttributes({
    "neurorail.mission.id": id,
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.usage.input_tokens": 100,
    "gen_ai.usage.output_tokens": 10,
  });
  span.end();
  console.log(id);
});
await provider.shutdown();
