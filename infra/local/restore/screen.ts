/** What a person sees while photographs are restored. Colour and the moving bar only where there is a terminal. */
import { styleText } from "node:util";
import type { Restoration } from "#functions/api/restoration-schema.ts";

export interface Screen {
  /** A line that stays. */
  readonly say: (line: string) => void;
  readonly problem: (line: string) => void;
  /** Shows the restoration as it is now: each stage's line once, and the running one's progress. */
  readonly show: (restoration: Restoration) => void;
  /** Removes the moving line. */
  readonly clear: () => void;
}

type StageView = Restoration["stages"][number];
type Tone = "bold" | "dim" | "green" | "red" | "yellow" | "cyan";

const BAR_WIDTH = 24;

export function createScreen(out: NodeJS.WriteStream, now: () => number): Screen {
  const tty = out.isTTY;
  const paint = (tone: Tone, text: string): string => (tty ? styleText(tone, text, { stream: out }) : text);
  let moving = false;
  let planShown: string | undefined;
  let finished = new Set<string>();
  let started: { stage: string; at: number; from: number } | undefined;

  const clear = (): void => {
    if (moving) out.write("\r\u001b[K");
    moving = false;
  };
  const say = (line: string): void => {
    clear();
    out.write(`${line}\n`);
  };

  function showPlan(restoration: Restoration): void {
    if (planShown === restoration.id || !restoration.stages.some((stage) => stage.reason !== null)) return;
    planShown = restoration.id;
    finished = new Set();
    for (const stage of restoration.stages) {
      const skipped = stage.status === "skipped";
      const what = [skipped ? "skipped" : (stage.model ?? "no model needed"), stage.reason]
        .filter(Boolean)
        .join(": ");
      say(
        `  ${skipped ? paint("dim", "–") : paint("cyan", "•")} ${paint(skipped ? "dim" : "bold", stage.kind.padEnd(9))} ${skipped ? paint("dim", what) : what}`,
      );
      if (skipped && stage.enable !== null)
        say(`    ${" ".repeat(9)} ${paint("dim", `to enable it: ${stage.enable}`)}`);
    }
  }

  function showDone(stage: StageView): void {
    if (stage.status !== "done" || finished.has(stage.kind)) return;
    finished.add(stage.kind);
    const model =
      stage.model_seconds !== null && stage.model_seconds > 0
        ? `, ${stage.model_seconds.toFixed(1)} s of it in ${stage.model ?? "the model"}`
        : "";
    say(`  ${paint("green", "✓")} ${stage.kind.padEnd(9)} ${(stage.seconds ?? 0).toFixed(1)} s${model}`);
    for (const warning of stage.warnings) say(`    ${paint("yellow", warning)}`);
  }

  function showProgress(restoration: Restoration): void {
    const { progress } = restoration;
    if (!tty || progress === null) return;
    const fraction = progress.percent / 100;
    if (started?.stage !== progress.stage || fraction < started.from)
      started = { stage: progress.stage, at: now(), from: fraction };
    const elapsed = (now() - started.at) / 1000;
    const gained = fraction - started.from;
    const eta =
      gained > 0.02 && fraction < 1 ? `about ${duration(((1 - fraction) * elapsed) / gained)} left` : "";
    const filled = Math.round(fraction * BAR_WIDTH);
    const tiles = progress.tiles_total
      ? `${progress.tiles_done} of ${progress.tiles_total} tiles`
      : (progress.doing ?? "");
    const text = [
      `  ${progress.stage.padEnd(9)}`,
      `${"█".repeat(filled)}${"░".repeat(BAR_WIDTH - filled)}`,
      tiles,
      progress.model,
      eta,
    ];
    out.write(
      `\r\u001b[K${text
        .filter(Boolean)
        .join("  ")
        .slice(0, Math.max(20, (out.columns ?? 100) - 1))}`,
    );
    moving = true;
  }

  return {
    say,
    problem: (line) => say(paint("red", line)),
    clear,
    show(restoration) {
      showPlan(restoration);
      if (planShown === restoration.id) for (const stage of restoration.stages) showDone(stage);
      showProgress(restoration);
    },
  };
}

export function duration(seconds: number): string {
  const whole = Math.max(1, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.round((whole % 3600) / 60)} min`;
}
