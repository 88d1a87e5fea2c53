import io.opentelemetry.api.baggage.Baggage;
import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.logs.Logger;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.Tracer;
import io.opentelemetry.context.Scope;
import io.opentelemetry.contrib.baggage.processor.BaggageSpanProcessor;
import io.opentelemetry.exporter.otlp.http.logs.OtlpHttpLogRecordExporter;
import io.opentelemetry.exporter.otlp.http.trace.OtlpHttpSpanExporter;
import io.opentelemetry.sdk.logs.SdkLoggerProvider;
import io.opentelemetry.sdk.logs.export.BatchLogRecordProcessor;
import io.opentelemetry.sdk.trace.SdkTracerProvider;
import io.opentelemetry.sdk.trace.export.BatchSpanProcessor;
import java.time.Instant;
import java.util.List;
import java.util.UUID;

/** An agent in Java: OpenTelemetry's SDK, its baggage processor, and NeuroRail's attribute names. */
public final class Agent {
  private static final String ENDPOINT =
      System.getenv().getOrDefault("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318");

  public static void main(String[] arguments) {
    // The processor copies what is in baggage onto every span; only our names, nothing of others'.
    SdkTracerProvider spans =
        SdkTracerProvider.builder()
            .addSpanProcessor(new BaggageSpanProcessor(name -> name.startsWith("neurorail.")))
            .addSpanProcessor(
                BatchSpanProcessor.builder(
                        OtlpHttpSpanExporter.builder().setEndpoint(ENDPOINT + "/v1/traces").build())
                    .build())
            .build();
    SdkLoggerProvider logs =
        SdkLoggerProvider.builder()
            .addLogRecordProcessor(
                BatchLogRecordProcessor.builder(
                        OtlpHttpLogRecordExporter.builder()
                            .setEndpoint(ENDPOINT + "/v1/logs")
                            .build())
                    .build())
            .build();
    String run = UUID.randomUUID().toString().replace("-", "");
    started(logs.get("agent"), run);

    Baggage chain =
        Baggage.builder()
            .put("neurorail.mission.id", "m_" + run)
            .put("neurorail.plan.id", "p_" + run)
            .put("neurorail.job.id", "j_" + run)
            .put("neurorail.attempt.id", "a_" + run)
            .build();
    Tracer tracer = spans.get("agent");
    try (Scope inChain = chain.makeCurrent()) {
      Span attempt =
          tracer
              .spanBuilder("book a trip")
              .setAttribute("neurorail.entity.type", "attempt")
              .startSpan();
      try (Scope inAttempt = attempt.makeCurrent()) {
        tracer
            .spanBuilder("chat gpt-4o")
            .setAttribute("gen_ai.operation.name", "chat")
            .setAttribute("gen_ai.provider.name", "openai")
            .setAttribute("gen_ai.request.model", "gpt-4o")
            .setAttribute("gen_ai.usage.input_tokens", 1200)
            .setAttribute("gen_ai.usage.output_tokens", 300)
            .startSpan()
            .end();
      }
      attempt.end();
    }
    logs.close();
    spans.close();
    System.out.println("m_" + run);
  }

  /** Tells at once that the mission runs, and what it may use. */
  private static void started(Logger logger, String run) {
    logger
        .logRecordBuilder()
        .setEventName("neurorail.lifecycle.transition")
        .setTimestamp(Instant.now())
        .setAttribute(AttributeKey.stringKey("neurorail.mission.id"), "m_" + run)
        .setAttribute(AttributeKey.stringKey("neurorail.entity.type"), "mission")
        .setAttribute(
            AttributeKey.stringArrayKey("neurorail.transitions"),
            List.of("create", "enqueue", "start"))
        .setAttribute(AttributeKey.longKey("neurorail.budget.max_tokens"), 10000L)
        .emit();
  }
}
