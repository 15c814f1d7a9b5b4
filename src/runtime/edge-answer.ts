import type { HttpHead, HttpReply } from "../api/http-call.ts";
import type { EdgeAnswer } from "../ingress/ingress-target.ts";

/** @param applicationMs what the application took to make it. */
export function toAnswer(reply: HttpReply, applicationMs: number): EdgeAnswer {
  return { ...toHead(reply, applicationMs), body: reply.body };
}

export function toHead(head: HttpHead, applicationMs: number): Omit<EdgeAnswer, "body"> {
  const { status, contentType, headers, setCookies, degraded } = head;
  const stages = [{ name: "app", ms: applicationMs }];
  for (const [name, ms] of head.stages) stages.push({ name, ms });
  return { status, contentType, headers, setCookies, degraded, stages };
}
