/**
 * `@peculiar/x509`, ready to use: its dependency injection looks for reflection metadata on
 * `globalThis`, so the polyfill must be loaded first. Import the library from here only.
 *
 * @module
 */
import "reflect-metadata";

export * from "@peculiar/x509";
