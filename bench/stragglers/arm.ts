/** What is compared: the same system with all that is done about stragglers, and with none of it. */
export const ARMS = ["off", "on"] as const;
export type Arm = (typeof ARMS)[number];

/** Read by the application file. */
export const ARM_VARIABLE = "TUTTI_BENCH_STRAGGLERS";

export const isArm = (value: string | undefined): value is Arm => ARMS.includes(value as Arm);
