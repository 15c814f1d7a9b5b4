import { application, context, deployment } from "tutti";

/** An ingress in the web's own terms: a `Request` comes, a `Response` goes. */
class Web {
  async fetch(request: Request): Promise<Response> {
    const url = new URL(request.url);
    switch (url.pathname) {
      case "/web/echo":
        return Response.json({
          method: request.method,
          query: Object.fromEntries(url.searchParams),
          header: request.headers.get("x-shade"),
          body: await request.text(),
          requestId: context().requestId,
        });
      case "/web/cookies": {
        const headers = new Headers({ location: "/web/echo", "x-made-by": "hand" });
        headers.append("set-cookie", "a=1; Path=/");
        headers.append("set-cookie", "b=2; Path=/");
        return new Response("created", { status: 201, headers });
      }
      case "/web/empty":
        return new Response(null, { status: 204 });
      case "/web/bytes":
        return new Response(new Uint8Array([0, 255, 128]), { headers: { "content-type": "image/x-dots" } });
      case "/web/stream": {
        const parts = ["one ", "two ", "three"];
        const body = new ReadableStream({
          pull(controller) {
            const part = parts.shift();
            if (part === undefined) controller.close();
            else controller.enqueue(new TextEncoder().encode(part));
          },
        });
        return new Response(body, { headers: { "content-type": "text/plain" } });
      }
      case "/web/wrong":
        return "not a response" as unknown as Response;
      default:
        return new Response("no such page", { status: 404, headers: { "content-type": "text/plain" } });
    }
  }
}

export default application({ name: "web", route: "/web", ingress: deployment(Web).bind() });
