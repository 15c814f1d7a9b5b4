/** Names and routes as both a module and a config file may give them. */

export const APPLICATION_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

export const DEPLOYMENT_NAME = /^[A-Za-z0-9_$][A-Za-z0-9_.$-]{0,127}$/;

/** Prefix of an application's paths. */
export const ROUTE = /^(?=\/)(\/[A-Za-z0-9._~-]+)*\/?$/;
