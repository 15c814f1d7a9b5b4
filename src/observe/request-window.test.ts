import { expect, it } from "vitest";
import { RequestWindow } from "./request-window.ts";

it("a window without requests says nothing", () => {
  expect(new RequestWindow().observed()).toEqual({ requests: 0, failed: 0, p95Ms: undefined });
});

it("a window tells requests, failures and the 95th percentile, of the latest when there are many", () => {
  const window = new RequestWindow();
  for (let ms = 100; ms >= 1; ms--) window.ended(ms, ms > 98);
  expect(window.observed()).toEqual({ requests: 100, failed: 2, p95Ms: 95 });
  for (let i = 0; i < 2048; i++) window.ended(7, false);
  expect(window.observed()).toEqual({ requests: 2148, failed: 2, p95Ms: 7 });
});
