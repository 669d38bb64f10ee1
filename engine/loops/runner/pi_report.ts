// pi in its own terminal interface tells the runner what it does, and asks it before tools.
//
// pi -e pi_report.ts [--loops-gate ask|edits]; the runner listens on the socket named by LOOPS_HOOK_SOCKET.
//
// Each report is a connection of its own: the name of the stream, a newline, one line as rpc mode would have written or
// taken it.  The runner closes it at once, except for a question: there it first writes the answer.  With nobody there
// pi goes on as if this extension did not exist; only a question is then left to the person before the terminal.

import { connect } from "node:net";

const SOCKET = process.env.LOOPS_HOOK_SOCKET ?? "";
const READS = new Set(["read", "grep", "find", "ls"]);
const EDITS = new Set(["edit", "write"]);
const RETRIES = 3; // pi's own default; extensions are not told
const REPORTED = [
  "agent_start",
  "agent_end",
  "message_end",
  "tool_execution_start",
  "tool_execution_end",
];

/** What the tool is about to do, in one line. */
function oneLine(input: Record<string, unknown>): string {
  const said = input.command ?? input.path ?? input.file_path ?? JSON.stringify(input);
  return String(said).replace(/\s+/g, " ").trim();
}

/** Tell the runner; the answer is empty unless it is asked something.  Reports stay in order: each is awaited. */
function report(stream: string, line: object, signal?: AbortSignal): Promise<string> {
  return new Promise((resolve) => {
    if (!SOCKET) return resolve("");
    let answer = "";
    const runner = connect({ path: SOCKET, allowHalfOpen: true });
    signal?.addEventListener("abort", () => runner.destroy());
    runner.setEncoding("utf8");
    runner.on("data", (part: string) => (answer += part));
    runner.on("end", () => runner.destroy());
    runner.on("error", () => runner.destroy());
    runner.on("close", () => resolve(answer));
    runner.end(`${stream}\n${JSON.stringify(line)}`);
  });
}

/** Ask the runner and the person before the terminal at once; whoever answers first decides. */
async function allowed(event: any, ctx: any): Promise<[boolean, string]> {
  const id = `gate-${event.toolCallId}`;
  const title = `Allow ${event.toolName}?`;
  const message = oneLine(event.input);
  const [here, there] = [new AbortController(), new AbortController()];
  const asked = report("out", { type: "extension_ui_request", id, method: "confirm", title, message }, there.signal);
  const remote = asked.then((answer): [boolean, string] | undefined => {
    if (!answer) return undefined; // nobody listens, or the person was quicker
    const { allow, reason } = JSON.parse(answer);
    return [allow === true, reason || "The request was refused."];
  });
  const local = ctx.ui
    .confirm(title, message, { signal: here.signal })
    .then((yes: boolean): [boolean, string] => [yes, "The request was refused."]);
  const first = await Promise.race([remote.then((answer) => answer ?? local), local.then((answer: any) => ({ answer }))]);
  if (Array.isArray(first)) {
    here.abort();
    return first as [boolean, string];
  }
  there.abort();
  await report("in", { type: "extension_ui_response", id, confirmed: first.answer[0] });
  return first.answer;
}

export default function (pi: any) {
  pi.registerFlag("loops-gate", { description: "ask before tools: ask | edits", type: "string" });
  pi.on("session_start", async (_event: any, ctx: any) => {
    await report("out", { type: "session", id: ctx.sessionManager.getSessionId(), timestamp: new Date().toISOString() });
    await report("runner", { type: "ready" });
  });
  let failed = ""; // why the last run of the model ended; what follows without a prompt is a retry
  let attempt = 0;
  pi.on("before_agent_start", async (event: any) => {
    [failed, attempt] = ["", 0];
    await report("in", { type: "prompt", message: event.prompt });
  });
  for (const name of REPORTED) {
    pi.on(name, async (event: any) => {
      if (name === "agent_start" && failed) {
        attempt += 1;
        await report("out", { type: "auto_retry_start", attempt, maxAttempts: RETRIES, delayMs: 0, errorMessage: failed });
      }
      if (name === "agent_end") {
        const last = event.messages?.at(-1);
        failed = last?.stopReason === "error" ? String(last.errorMessage ?? "") : "";
      }
      await report("out", event);
    });
  }
  pi.on("tool_call", async (event: any, ctx: any) => {
    const gate = pi.getFlag("loops-gate");
    if (!gate || READS.has(event.toolName)) return;
    if (EDITS.has(event.toolName) && gate === "edits") return;
    const [yes, reason] = await allowed(event, ctx);
    if (!yes) return { block: true, reason };
  });
}
