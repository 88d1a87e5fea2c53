// @ts-check

/** Where the pages live, whatever path prefix a proxy adds; modules come from a folder named by their version. */
export const HOME = new URL("../", import.meta.url.replace(/\/v-[0-9a-f]+(?=\/app\/home\.js$)/, ""));
