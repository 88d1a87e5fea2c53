// An agent in Go: OpenTelemetry's SDK, its baggage processor, and NeuroRail's attribute names.
package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"log"
	"strings"
	"time"

	"go.opentelemetry.io/contrib/processors/baggagecopy"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	otellog "go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/trace"
	oteltrace "go.opentelemetry.io/otel/trace"
)

var levels = []string{"mission", "plan", "job", "attempt"}

// chain puts an id for each level into baggage; the processor copies them onto every span.
func chain(ctx context.Context, run string) context.Context {
	members := make([]baggage.Member, 0, len(levels))
	for _, level := range levels {
		member, err := baggage.NewMember("neurorail."+level+".id", level[:1]+"_"+run)
		if err != nil {
			log.Fatal(err)
		}
		members = append(members, member)
	}
	bag, err := baggage.New(members...)
	if err != nil {
		log.Fatal(err)
	}
	return baggage.ContextWithBaggage(ctx, bag)
}

// started tells at once that the mission runs, and what it may use.
func started(ctx context.Context, logger otellog.Logger, run string) {
	var record otellog.Record
	record.SetEventName("neurorail.lifecycle.transition")
	record.SetTimestamp(time.Now())
	record.AddAttributes(
		attribute.String("neurorail.mission.id", "m_"+run),
		attribute.String("neurorail.entity.type", "mission"),
		attribute.StringSlice("neurorail.transitions", []string{"create", "enqueue", "start"}),
		attribute.Int("neurorail.budget.max_tokens", 10000),
	)
	logger.Emit(ctx, record)
}

func main() {
	ctx := context.Background()
	spans, err := otlptracehttp.New(ctx)
	if err != nil {
		log.Fatal(err)
	}
	logs, err := otlploghttp.New(ctx)
	if err != nil {
		log.Fatal(err)
	}
	ours := func(member baggage.Member) bool { return strings.HasPrefix(member.Key(), "neurorail.") }
	provider := trace.NewTracerProvider(
		trace.WithBatcher(spans), trace.WithSpanProcessor(baggagecopy.NewSpanProcessor(ours)))
	otel.SetTracerProvider(provider)
	loggers := sdklog.NewLoggerProvider(sdklog.WithProcessor(sdklog.NewBatchProcessor(logs)))

	run := strings.ToLower(rand.Text())
	started(ctx, loggers.Logger("agent"), run)
	ctx = chain(ctx, run)
	tracer := provider.Tracer("agent")
	ctx, attempt := tracer.Start(ctx, "book a trip",
		oteltrace.WithAttributes(attribute.String("neurorail.entity.type", "attempt")))
	_, call := tracer.Start(ctx, "chat gpt-4o", oteltrace.WithAttributes(
		attribute.String("gen_ai.operation.name", "chat"),
		attribute.String("gen_ai.provider.name", "openai"),
		attribute.String("gen_ai.request.model", "gpt-4o"),
		attribute.Int("gen_ai.usage.input_tokens", 1200),
		attribute.Int("gen_ai.usage.output_tokens", 300)))
	call.End()
	attempt.End()

	if err := loggers.Shutdown(context.Background()); err != nil {
		log.Fatal(err)
	}
	if err := provider.Shutdown(context.Background()); err != nil {
		log.Fatal(err)
	}
	fmt.Println("m_" + run)
}
