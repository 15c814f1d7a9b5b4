export {
  type Application,
  type ApplicationOptions,
  application,
  type RouteOptions,
} from "./api/application.ts";
export { type Batched, type BatchedOptions, batched } from "./api/batched.ts";
export type { BoundDeployment } from "./api/binding.ts";
export {
  type Combiner,
  type Decision,
  decisive,
  type MemberAnswer,
  mean,
  type OpenMember,
  vote,
  weightedMean,
} from "./api/combiners.ts";
export { type CallContext, context } from "./api/context.ts";
export { type Deployment, deployment } from "./api/deployment.ts";
export { type Ensemble, ensemble } from "./api/ensemble.ts";
export type { EnsembleOptions, OnMissing } from "./api/ensemble-options.ts";
export type { EnsembleResult, MemberReport, MemberStatus } from "./api/ensemble-result.ts";
export type { CallOptions, Handle } from "./api/handle.ts";
export type { HttpRequestInfo } from "./api/http-call.ts";
export type { Fallback, Json } from "./api/http-routes.ts";
export type { OnnxModel } from "./api/onnx-model.ts";
export type { DeploymentOptions, HealthCheckOptions, ReplicaBounds } from "./config/deployment-options.ts";
export type { RoutingOptions } from "./config/routing-options.ts";
export type { ErrorCode } from "./errors/codes.ts";
export { HttpError, type Started, TuttiError } from "./errors/tutti-error.ts";
export { BatchingStore, type BatchingStoreOptions } from "./features/batching-store.ts";
export { CachingStore, type CachingStoreOptions } from "./features/caching-store.ts";
export { DefaultingStore, type DefaultingStoreOptions } from "./features/defaulting-store.ts";
export type { DynamoDbStoreOptions } from "./features/dynamodb-options.ts";
export { DynamoDbStore } from "./features/dynamodb-store.ts";
export { EmbeddedStore, type EmbeddedStoreOptions } from "./features/embedded-store.ts";
export type {
  FeatureEntry,
  FeatureRow,
  FeatureRows,
  FeatureStore,
  GetOptions,
} from "./features/feature-store.ts";
export { MemoryStore, type MemoryStoreOptions } from "./features/memory-store.ts";
export {
  type FeatureStoreOptions,
  type OpenFeatureStore,
  openFeatureStore,
} from "./features/open-feature-store.ts";
export {
  type ModelOptions,
  type ModelRepositoryOptions,
  modelRepository,
  type OnnxModelOptions,
  onnxModel,
} from "./onnx/onnx-model.ts";
export type { SessionOptions } from "./onnx/session-options.ts";
export { type Served, type ServeOptions, serve } from "./runtime/serve.ts";
export { type DataType, Tensor, type TensorArrays, type TensorData, type TensorMap } from "./wire/tensor.ts";
