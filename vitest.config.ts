import { defineConfig } from "vitest/config";
import { promiseReport } from "./test/contract/promise-report.ts";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    exclude: ["test/bench/**", "**/node_modules/**"],
    globalSetup: ["test/aws-setup.ts"],
    reporters: ["default", promiseReport((text) => process.stdout.write(text))],
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // `npm run coverage`: no branch of the decisions goes untested.
    coverage: {
      include: ["shared/domain/**/*.ts"],
      reporter: ["text-summary"],
      thresholds: { branches: 100 },
    },
  },
});
