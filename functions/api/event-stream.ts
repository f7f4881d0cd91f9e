/** The headers of a stream of server-sent events; some proxies would else collect it before they pass it on. */
export const EVENT_STREAM = { "content-type": "text/event-stream; charset=utf-8", "x-accel-buffering": "no" };

/** Waits for the first words, so that what is refused is answered with its status; then streams, until the caller has left. */
export async function streamText(
  open: (signal: AbortSignal) => AsyncGenerator<string>,
  left: AbortSignal,
): Promise<Response> {
  const canceled = new AbortController();
  const words = open(AbortSignal.any([left, canceled.signal]));
  const bytes = new TextEncoder();
  let next = await words.next();
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        if (next.done === true) return controller.close();
        controller.enqueue(bytes.encode(next.value));
        next = await words.next();
        if (next.done === true) controller.close();
      },
      async cancel() {
        canceled.abort();
        await words.return(undefined);
      },
    },
    { highWaterMark: 0 },
  );
  return new Response(body, { headers: EVENT_STREAM });
}
