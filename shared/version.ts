/** The version of all three programs. */
export const VERSION = "0.1.0";
