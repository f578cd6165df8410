// Chat templates: every tokenizer's chat.jsonl, and the templates of _jinja.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <map>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "tests/quarry_golden/report.h"
#include "tests/support/chat_cases.h"
#include "text/jinja/template.h"

namespace quarry::golden {
namespace {

using Json = nlohmann::json;

// Counts the cases of one file; its line goes to the report when it ends.
class FileCheck {
 public:
  FileCheck(Report& report, std::string name) : report_(report), name_(std::move(name)) {}
  ~FileCheck() {
    std::string detail = fmt::format("{} cases, {} mismatches", cases_, mismatches_);
    if (!first_.empty()) detail += "; " + first_;
    report_.Case(name_, mismatches_ == 0 && cases_ > 0, detail);
  }
  void Add(bool good, const std::string& why) {
    ++cases_;
    if (good) return;
    if (mismatches_++ == 0) first_ = why;
  }

 private:
  Report& report_;
  std::string name_;
  int cases_ = 0;
  int mismatches_ = 0;
  std::string first_;
};

template <typename Use>
void ForEachLine(const std::filesystem::path& file, const Use& use) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    if (!line.empty()) use(line, Json::parse(line));
  }
}

// "2025-07-10T12:00:00"
jinja::WallTime ParseClock(const std::string& text) {
  int year = 0, hour = 0, minute = 0, second = 0;
  unsigned month = 0, day = 0;
  std::sscanf(text.c_str(), "%d-%u-%uT%d:%d:%d", &year, &month, &day, &hour, &minute, &second);
  return std::chrono::local_days(std::chrono::year(year) / static_cast<int>(month) /
                                 static_cast<int>(day)) +
         std::chrono::hours(hour) + std::chrono::minutes(minute) + std::chrono::seconds(second);
}

// Renders a template with nothing but these arguments.
ChatCase RenderBare(const std::string& source, const std::vector<std::string>& arguments,
                    const Json& line) {
  const auto render = [&]() -> Result<std::vector<RenderedSegment>> {
    const Result<jinja::Template> parsed = jinja::Template::Parse(source);
    if (!parsed.ok()) return parsed.status().WithPrefix("template");
    jinja::RenderInput input;
    for (const std::string& json : arguments) {
      if (!json.empty()) input.documents.push_back({json});
    }
    input.now = line.contains("now") ? ParseClock(line["now"]) : jinja::WallTime(kChatClock);
    const Result<jinja::RenderedText> rendered = parsed->Render(input);
    if (!rendered.ok()) return rendered.status().WithPrefix("template");
    return std::vector<RenderedSegment>{{rendered->text, false}};
  };
  ChatCase c{line.value("name", ""), render()};
  c.want_error = line.value("error", false);
  c.want_error_kind = line.value("error_kind", "");
  c.want_error_message = line.value("error_message", "");
  c.want_text = line.value("text", "");
  return c;
}

void CheckCase(FileCheck& check, const ChatCase& c) {
  std::string why;
  const bool good = Matches(c, &why);
  check.Add(good, why);
}

void CheckTemplates(const std::filesystem::path& folder, Report& report) {
  std::map<std::string, std::string> sources;
  {
    FileCheck check(report, "_jinja/templates.jsonl");
    ForEachLine(folder / "templates.jsonl", [&](const std::string& text, const Json& line) {
      sources[line["name"]] = line["chat_template"];
      CheckCase(check, RenderBare(line["chat_template"], {MemberText(text, "context")}, line));
    });
  }
  if (std::filesystem::exists(folder / "unit.jsonl")) {
    FileCheck check(report, "_jinja/unit.jsonl");
    ForEachLine(folder / "unit.jsonl", [&](const std::string& text, const Json& line) {
      CheckCase(check, RenderBare(line["template"], {MemberText(text, "context")}, line));
    });
  }
  if (std::filesystem::exists(folder / "conversations.jsonl")) {
    FileCheck check(report, "_jinja/conversations.jsonl");
    ForEachLine(folder / "conversations.jsonl", [&](const std::string& text, const Json& line) {
      const std::string name = line["template"];
      if (!sources.contains(name)) return check.Add(false, "no template named " + name);
      const std::vector<std::string> arguments = {
          R"({"tools": null, "documents": null})", MemberText(text, "special"),
          fmt::format(R"({{"messages": {}, "add_generation_prompt": {}}})",
                      MemberText(text, "messages"), line.value("add_generation_prompt", false)),
          MemberText(text, "kwargs")};
      CheckCase(check, RenderBare(sources[name], arguments, line));
    });
  }
}

}  // namespace

void CheckChat(const std::filesystem::path& folder, Report& report) {
  std::vector<std::filesystem::path> tokenizers;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (std::filesystem::exists(entry.path() / "chat.jsonl")) tokenizers.push_back(entry.path());
  }
  std::sort(tokenizers.begin(), tokenizers.end());
  for (const auto& tokenizer : tokenizers) {
    const std::string name = tokenizer.filename().string() + "/chat.jsonl";
    const Result<std::vector<ChatCase>> cases = RenderChatCases(tokenizer);
    if (!cases.ok()) {
      report.Error(name, cases.status().message());
      continue;
    }
    FileCheck check(report, name);
    for (const ChatCase& c : *cases) CheckCase(check, c);
  }
  const auto templates = folder / "_jinja";
  if (std::filesystem::exists(templates / "templates.jsonl")) CheckTemplates(templates, report);
}

}  // namespace quarry::golden
