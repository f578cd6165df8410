// Over a thousand templates against Python's Jinja2 (tools/golden/jinja_cases.py), and the
// templates and units of the tokenizer vectors.
#include <fstream>
#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "tests/support/chat_cases.h"
#include "tests/support/paths.h"
#include "tests/text/jinja_support.h"

namespace quarry::jinja {
namespace {

using Json = nlohmann::json;

// `got` is a text or "ERROR ..."; `line` what Python made of it.
void ExpectAgrees(const Json& line, const std::string& source, const std::string& got) {
  if (!line.value("error", false)) {
    EXPECT_EQ(got, line["text"].get<std::string>()) << source;
    return;
  }
  EXPECT_TRUE(got.starts_with("ERROR ")) << source << "\n  printed " << got;
  const std::string kind = line.value("error_kind", "");
  if (!kind.empty()) {
    EXPECT_NE(got.find(kind + ": "), std::string::npos) << source << "\n  " << got;
  }
}

TEST(JinjaGolden, AgreesWithPythonsJinja) {
  const auto folder = GoldenInTree("jinja");
  const auto context = ReadFile(folder / "context.json", 1u << 20);
  ASSERT_TRUE(context.ok());
  std::ifstream in(folder / "cases.jsonl");
  int cases = 0;
  for (std::string text; std::getline(in, text); ++cases) {
    const Json line = Json::parse(text);
    const std::string source = line["template"];
    ExpectAgrees(line, source, Render(source, *context));
  }
  EXPECT_GT(cases, 1000);
}

TEST(JinjaGolden, UnitsAndPublishedTemplates) {
  const auto folder = GoldenInTree("tokenizers/_jinja");
  for (const char* name : {"unit.jsonl", "templates.jsonl"}) {
    std::ifstream in(folder / name);
    int cases = 0;
    for (std::string text; std::getline(in, text); ++cases) {
      const Json line = Json::parse(text);
      if (line.contains("now")) continue;
      const std::string source = line[line.contains("template") ? "template" : "chat_template"];
      ExpectAgrees(line, line["name"], Render(source, golden::MemberText(text, "context")));
    }
    EXPECT_GT(cases, 0) << name;
  }
}

}  // namespace
}  // namespace quarry::jinja
