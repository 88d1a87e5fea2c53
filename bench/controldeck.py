"""What a reader of ControlDeck waits for, measured in a real Chromium against a real server.

The page is opened again and again until its stream is live; then telemetry comes at a steady rate
while the page notes when it shows each event, and a trace how long each of its tasks kept the
processor; a chart of 10,000 points is drawn; at last a list of 100,000 rows is scrolled to its end,
in steps, and jumped about in.

A task that waits for a processor which others have is long by the clock and does not say so: that
is reported (`long_tasks`), but the goal is about the page's own work.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from playwright.async_api import Browser, Page, async_playwright

from bench.load import GrpcSender, percentile
from bench.report import Report
from bench.server import Server, running
from bench.workload import Workload

CHROMIUM_NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "chrome")
SPANS: Final = 10
OPENINGS: Final = 10
GOAL_CONNECTED_MS: Final = 200.0
GOAL_VISIBLE_MS: Final = 50.0
GOAL_CHART_MS: Final = 50.0
LONG_TASK_MS: Final = 50

LIVE: Final = '[data-connection="live"]'
WATCH: Final = """
window.bench = { live: 0, delays: [], tasks: [] };
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) window.bench.tasks.push(entry.duration);
}).observe({ type: "longtask", buffered: true });
const seen = new Set();
new MutationObserver(() => {
  const live = document.querySelector('[data-connection="live"]');
  if (live && !window.bench.live) window.bench.live = performance.now();
  const now = Date.now();
  for (const row of document.querySelectorAll(".event")) {
    const key = row.querySelector("time")?.dateTime + row.textContent;
    if (seen.has(key)) continue;
    seen.add(key);
    window.bench.delays.push(now - Date.parse(row.querySelector("time").dateTime));
  }
}).observe(document, {
  subtree: true, childList: true, attributes: true, attributeFilter: ["data-connection"],
});
"""
TRACED: Final = ["toplevel", "blink.user_timing"]
"""What a trace holds: tasks, and the mark that tells the page's process from others."""
MARK: Final = "neurorail-bench"
CHART: Final = """
async ([module, points]) => {
  const { uPlot } = await import(module);
  const box = document.createElement("div");
  document.body.append(box);
  const times = Array.from({ length: points }, (_, at) => 1.78e9 + at);
  const values = times.map((_, at) => Math.sin(at / 90) * 50 + (at % 17));
  const took = [];
  for (let round = 0; round < 7; round += 1) {
    const began = performance.now();
    await new Promise((drawn) => {
      const chart = new uPlot({
        width: 900, height: 240, legend: { show: false },
        series: [{}, { stroke: "teal", width: 1.75 }],
        hooks: { draw: [() => { took.push(performance.now() - began); drawn(); }] },
      }, [times, values], box);
      window.setTimeout(() => chart.destroy(), 0);
    });
  }
  box.remove();
  return took.slice(1);
}
"""
LOOK: Final = """
async (index) => {
  const list = document.querySelector("[data-panel=audit] .list");
  const began = performance.now();
  list.scrollTop = index * 34;
  const frame = () => new Promise((drawn) => requestAnimationFrame(drawn));
  const there = () => list.querySelector(`[data-type][data-index="${index}"]`);
  for (await frame(); !there(); await frame()) {
    if (performance.now() - began > 20_000) return null;
  }
  return {
    tookMs: performance.now() - began,
    drawn: list.querySelectorAll(".list-row").length,
    held: Number(document.querySelector("[data-held]").dataset.held),
  };
}
"""
STEP_ROWS: Final = 400
JUMPS: Final = 50
HELD_MAX: Final = 25_000


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.controldeck", description=__doc__)
    parser.add_argument("--spans-per-s", type=int, default=400)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--rows", type=int, default=100_000, help="of a list that is scrolled")
    arguments = parser.parse_args()
    if not measure(arguments.spans_per_s, arguments.seconds, arguments.rows).publish():
        sys.exit(1)


def measure(spans_per_s: int, seconds: float, rows: int) -> Report:
    """Measure and return the report."""
    chromium = next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    if chromium is None:
        sys.exit(f"no Chromium on the path (looked for {', '.join(CHROMIUM_NAMES)})")
    report = Report("controldeck")
    with tempfile.TemporaryDirectory() as folder, running(Path(folder) / "data") as server:
        asyncio.run(_measure(report, server, chromium, spans_per_s, seconds, rows))
    return report


async def _measure(
    report: Report, server: Server, chromium: str, spans_per_s: int, seconds: float, rows: int
) -> None:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        await _connected(report, browser, server)
        await _visible(report, browser, server, spans_per_s, seconds)
        await _chart(report, browser, server)
        await _scrolled(report, browser, server, rows)
        await browser.close()


async def _page(browser: Browser, url: str) -> Page:
    page = await (await browser.new_context(viewport={"width": 1440, "height": 900})).new_page()
    await page.add_init_script(WATCH)
    await page.goto(url)
    await page.locator(LIVE).wait_for()
    return page


async def _connected(report: Report, browser: Browser, server: Server) -> None:
    took = []
    page = await _page(browser, f"{server.api}/neurorail/")
    for _ in range(OPENINGS):
        await page.reload()
        await page.locator(LIVE).wait_for()
        took.append(float(await page.evaluate("window.bench.live")))
    await page.context.close()
    median = percentile(took, 50)
    report.add(connected_p50_ms=median, connected_max_ms=max(took))
    report.goal(f"stream connected below {GOAL_CONNECTED_MS} ms", median < GOAL_CONNECTED_MS)


async def _visible(
    report: Report, browser: Browser, server: Server, spans_per_s: int, seconds: float
) -> None:
    page = await _page(browser, f"{server.api}/neurorail/")
    await browser.start_tracing(page=page, categories=TRACED)
    await page.evaluate(f"performance.mark({MARK!r})")
    workload, now = Workload(SPANS, SPANS), time.time_ns()
    before = server.metrics()["neurorail_stream_published"]
    began = time.perf_counter()
    async with GrpcSender(server.otlp_grpc) as sender, asyncio.TaskGroup() as tasks:
        for number in range(int(spans_per_s * seconds / SPANS)):
            await asyncio.sleep(
                max(0.0, began + number * SPANS / spans_per_s - time.perf_counter())
            )
            tasks.create_task(sender.send(workload.request(number, now).body))
    await page.wait_for_timeout(500)
    took_s = time.perf_counter() - began
    events = server.metrics()["neurorail_stream_published"] - before
    found: dict[str, Any] = await page.evaluate("window.bench")
    delays = [float(each) for each in found["delays"]]
    tasks_ms = [float(each) for each in found["tasks"]]
    own_ms = _task_cpu_ms(json.loads(await browser.stop_tracing())["traceEvents"])
    await page.context.close()
    p50 = percentile(delays, 50)
    report.add(
        events_per_s=events / took_s,
        visible_p50_ms=p50,
        visible_p95_ms=percentile(delays, 95),
        rows_seen=len(delays),
        long_tasks=len(tasks_ms),
        longest_task_ms=max(tasks_ms, default=0.0),
        tasks_traced=len(own_ms),
        longest_task_cpu_ms=max(own_ms),
    )
    report.goal(
        f"event visible below {GOAL_VISIBLE_MS} ms after its receipt", p50 < GOAL_VISIBLE_MS
    )
    report.goal(f"no task above {LONG_TASK_MS} ms of a processor", max(own_ms) < LONG_TASK_MS)


def _task_cpu_ms(events: Sequence[Mapping[str, Any]]) -> list[float]:
    """How long each task of the page's main thread kept a processor."""
    (page,) = {event["pid"] for event in events if event["name"] == MARK}
    threads = {
        (event["pid"], event["tid"])
        for event in events
        if event["name"] == "thread_name" and event["args"]["name"] == "CrRendererMain"
    }
    return [
        event["tdur"] / 1_000
        for event in events
        if event["name"].endswith("RunTask")
        and "tdur" in event
        and event["pid"] == page
        and (event["pid"], event["tid"]) in threads
    ]


async def _chart(report: Report, browser: Browser, server: Server) -> None:
    page = await _page(browser, f"{server.api}/neurorail/")
    module = f"{server.api}/neurorail/vendor/chart.js"
    took = [float(each) for each in await page.evaluate(CHART, [module, 10_000])]
    await page.context.close()
    report.add(chart_10000_points_p50_ms=percentile(took, 50), chart_10000_points_max_ms=max(took))
    report.goal(f"chart of 10,000 points below {GOAL_CHART_MS} ms", max(took) < GOAL_CHART_MS)


async def _scrolled(report: Report, browser: Browser, server: Server, rows: int) -> None:
    workload, now, number = Workload(), time.time_ns(), 0
    async with GrpcSender(server.otlp_grpc) as sender:
        while server.metrics()["neurorail_stream_published"] < rows * 1.05:
            await asyncio.gather(
                *(sender.send(workload.request(number + at, now).body) for at in range(4))
            )
            number += 4
            await asyncio.sleep(0.2)
    server.wait_idle()
    page = await _page(browser, f"{server.api}/neurorail/audit")
    await page.locator("[data-panel=audit] .list-row[data-type]").first.wait_for()
    began = time.perf_counter()
    walked = await _looks(page, range(0, rows, STEP_ROWS))
    walked_s = time.perf_counter() - began
    last = await _looks(page, [rows - 30])
    # Far apart each time: no page that is held serves the next.
    jumped = await _looks(page, [at * 48_611 % (rows - 30) for at in range(1, JUMPS + 1)])
    await page.context.close()
    found = [*walked, *last, *jumped]
    report.add(
        rows_reached=rows if len(walked) == len(range(0, rows, STEP_ROWS)) and last else 0,
        scrolled_s=walked_s,
        step_p50_ms=percentile([each["tookMs"] for each in walked], 50),
        jump_p50_ms=percentile([each["tookMs"] for each in jumped], 50),
        jump_p95_ms=percentile([each["tookMs"] for each in jumped], 95),
        rows_in_document_max=_most(found, "drawn"),
        rows_held_max=_most(found, "held"),
    )
    report.goal(f"{rows} rows reached", len(found) == len(range(0, rows, STEP_ROWS)) + 1 + JUMPS)
    report.goal("only rows in sight are in the document", _most(found, "drawn") < 100)
    report.goal("the browser holds a part of the rows", _most(found, "held") <= HELD_MAX)


def _most(found: Sequence[Mapping[str, float]], name: str) -> float:
    """The largest of a value."""
    return max(each[name] for each in found)


async def _looks(page: Page, places: Iterable[int]) -> list[dict[str, float]]:
    """Scroll to rows, one after the other; what was found of those that were drawn."""
    found = [await page.evaluate(LOOK, place) for place in places]
    return [each for each in found if each is not None]


if __name__ == "__main__":
    main()
