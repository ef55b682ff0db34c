/**
 * `@peculiar/x509`, ready to use: its dependency injection looks for reflection metadata on
 * `globalThis`, so the polyfill must be loaded first. Import the library from here only, and by `import()`
 * where it is needed: it costs a program 5 MiB, and a fifth of a second of a processor.
 *
 * @module
 */
import "reflect-metadata";

export * from "@peculiar/x509";
