import type { Cause } from "../observe/cause.ts";
import type { ReportedRequest, RequestsReport } from "../observe/requests-report.ts";

/** The report as programs get it; the fields are those of `docs/reference/admin.md`. */
export function requestsJson({ query, sample, whatIf, silent, requests }: RequestsReport) {
  return { kept: query.kept, sample, whatIf: whatIf ?? null, silent, requests: requests.map(requestJson) };
}

function requestJson({ tree, cause, path, line }: ReportedRequest) {
  const { startedAtEpochMs, status, code, ...facts } = tree;
  return {
    line,
    ...facts,
    startedAt: new Date(startedAtEpochMs).toISOString(),
    status: status ?? null,
    code: code ?? null,
    cause: cause === undefined ? null : causeJson(cause),
    path,
  };
}

/** The call that a cause is about is in the tree. */
function causeJson({ call: _, ...facts }: Cause) {
  return facts;
}
