import { release } from "../version.ts";

const text = (description: string) => ({
  description,
  content: { "text/plain": { schema: { type: "string" } } },
});

const accepted = (description: string) => ({
  description,
  headers: { "x-rh-insights-request-id": { schema: { type: "string" } } },
  content: {
    "application/json": {
      schema: {
        type: "object",
        required: ["request_id", "upload"],
        properties: {
          request_id: { type: "string" },
          upload: {
            type: "object",
            properties: { account_number: { type: "string" }, org_id: { type: "string" } },
          },
        },
      },
    },
  },
});

const requestId = {
  name: "x-rh-insights-request-id",
  in: "header",
  schema: { type: "string", pattern: "^[A-Za-z0-9._-]{1,128}$" },
  description: "What the upload is known by; the same id again is the same upload. Another one is made here.",
};

/** What the ingress answers, for programs. */
export const openApi = {
  openapi: "3.0.3",
  info: { title: "Ingress", version: release, description: "Takes archives of clusters in." },
  servers: [{ url: "/api/ingress/v1" }, { url: "/r/insights/platform/ingress/v1" }],
  security: [{ identity: [] }],
  paths: {
    "/upload": {
      post: {
        summary: "Takes an archive",
        parameters: [requestId],
        requestBody: {
          required: true,
          content: {
            "multipart/form-data": {
              schema: {
                type: "object",
                required: ["file"],
                properties: {
                  file: {
                    type: "string",
                    format: "binary",
                    description: "Its content type is application/vnd.redhat.<service>.<category>.",
                  },
                  metadata: {
                    type: "string",
                    description: "What is to be known about the archive, as JSON.",
                  },
                },
              },
            },
          },
        },
        responses: {
          200: accepted("A test of the connection"),
          201: accepted("Accepted, for advisor and without metadata"),
          202: accepted("Accepted: stored, and about to be announced"),
          400: text("No file, or no valid identity"),
          403: text("The organization may not upload"),
          413: text("The file is too large"),
          415: { description: "Nobody takes this content type" },
          500: { description: "The archive cannot be stored" },
          503: { description: "Too many uploads at the same time" },
        },
      },
    },
    "/track/{requestID}": {
      get: {
        summary: "Says where an upload is",
        parameters: [
          { name: "requestID", in: "path", required: true, schema: { type: "string" } },
          {
            name: "verbosity",
            in: "query",
            schema: { type: "integer", minimum: 0, maximum: 2 },
            description: "2: all that was said, not only the latest",
          },
        ],
        responses: {
          200: {
            description: "The latest that was said about it, or all",
            content: { "application/json": {} },
          },
          400: text("No valid identity"),
          403: { description: "It is of another organization" },
          404: { description: "Nobody knows it" },
        },
      },
    },
    "/version": {
      get: { summary: "The release", security: [], responses: { 200: { description: "The release" } } },
    },
    "/openapi.json": {
      get: { summary: "This document", security: [], responses: { 200: { description: "This document" } } },
    },
  },
  components: { securitySchemes: { identity: { type: "apiKey", in: "header", name: "x-rh-identity" } } },
} as const;
