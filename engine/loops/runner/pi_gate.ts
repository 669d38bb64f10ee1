// The gate of `loops`: pi runs every tool without asking; this extension asks first, through the protocol of rpc mode.
//
// pi -e pi_gate.ts --loops-gate ask      every tool that is not known to only read
// pi -e pi_gate.ts --loops-gate edits    commands and unknown tools; edits of files pass
//
// An unknown value asks like "ask".  No answer is a refusal, and so is an error in here: pi blocks the tool then.

const READS = new Set(["read", "grep", "find", "ls"]);
const EDITS = new Set(["edit", "write"]);

/** What the tool is about to do, in one line. */
function oneLine(input: Record<string, unknown>): string {
  const said = input.command ?? input.path ?? input.file_path ?? JSON.stringify(input);
  return String(said).replace(/\s+/g, " ").trim();
}

export default function (pi: any) {
  pi.registerFlag("loops-gate", { description: "ask before tools: ask | edits", type: "string" });
  pi.on("tool_call", async (event: any, ctx: any) => {
    if (READS.has(event.toolName)) return;
    if (EDITS.has(event.toolName) && pi.getFlag("loops-gate") === "edits") return;
    if (await ctx.ui.confirm(`Allow ${event.toolName}?`, oneLine(event.input))) return;
    return { block: true, reason: "The request was refused." };
  });
}
