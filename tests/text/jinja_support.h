// Rendering in one line, for the tests of the interpreter.
#pragma once

#include <chrono>
#include <ostream>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "text/jinja/template.h"

namespace quarry::jinja {

// The text, or "ERROR " and the message.
inline std::string Render(std::string_view source, std::string_view context = "{}",
                          const Limits& limits = {}) {
  const Result<Template> parsed = Template::Parse(source, limits);
  if (!parsed.ok()) return "ERROR " + parsed.status().message();
  RenderInput input;
  input.documents.push_back({context});
  input.now = std::chrono::local_days(std::chrono::year(2024) / 7 / 26) + std::chrono::hours(12);
  const Result<RenderedText> rendered = parsed->Render(input);
  return rendered.ok() ? rendered->text : "ERROR " + rendered.status().message();
}

// Prints one expression.
inline std::string Eval(std::string_view expression, std::string_view context = "{}") {
  return Render("{{ " + std::string(expression) + " }}", context);
}

// A table of expressions and what they print.
struct Example {
  const char* source;
  const char* want;
};

template <size_t N>
void ExpectEvals(const Example (&table)[N], std::string_view context = "{}") {
  for (const Example& e : table) EXPECT_EQ(Eval(e.source, context), e.want) << e.source;
}

template <size_t N>
void ExpectRenders(const Example (&table)[N], std::string_view context = "{}") {
  for (const Example& e : table) EXPECT_EQ(Render(e.source, context), e.want) << e.source;
}

}  // namespace quarry::jinja
