#include "eval/infinitebench.h"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "eval/json.h"
#include "eval/ruler.h"

namespace quarry::eval {
namespace {

constexpr InfiniteBenchTaskInfo kTasks[] = {
    {"passkey",
     "There is an important info hidden inside a lot of irrelevant text. Find it and memorize it. "
     "I "
     "will quiz you about the important information.\n\n{context}\n\n{input}\n\nThe pass key is",
     15, FirstInt},
    {"number_string",
     "There is an important info hidden inside a lot of irrelevant text. Find it. I will quiz you "
     "about the important information there.\n\n{context}\n\n{input}\n\nThe sequence of digits is",
     20, FirstInt},
    {"kv_retrieval",
     "Extract the value corresponding to the specified key in the JSON object below.\n\n{context}"
     "\n\n{input}",
     80, WordIn},
    {"math_find", "{prefix}\n\n{context}\n\n{input}", 3, FirstNumber},
    {"math_calc",
     "Let us calculate the intermediate values of an expression.\n\nExpression: 1 + 3 + 4\nValues: "
     "[1, 4, 8]\n\nExpression: 8 - 3 + 2 - 4\nValues: [8, 5, 7, 3]\n\nExpression: "
     "{context}\nValues:",
     30000, PrefixMatch},
    {"code_run",
     "There is a function called {func} in the following Python code.\n\n{context}\n\nPlease "
     "compute the exact value of {func_call}. The value of {func_call} is",
     5, LastInt},
    {"code_debug",
     "Following is a Python code where exactly one of the functions/methods has a deliberate error "
     "that makes it crash.\n\n{context}\n\nOptions:\nA. {o0}\nB. {o1}\nC. {o2}\nD. {o3}\n\nThe "
     "correct option is:",
     5, ChoiceDebug},
    {"longbook_choice_eng",
     "Read the book and answer the question.\n\n{context}\n\nQuestion: {input}\nA. {o0}\nB. "
     "{o1}\nC. {o2}\nD. {o3}\n\nThe letter of the correct answer is",
     40, ChoiceBook},
    {"longbook_qa_eng",
     "Read the book and answer the question. Be very concise in your answer.\n\n{context}\n\n"
     "Question: {input}\nAnswer:",
     40, F1English},
    {"longbook_qa_chn", "阅读以下书籍然后回答问题。\n\n{context}\n\n问题：{input}\n答案：", 40,
     F1Chinese},
    {"longbook_sum_eng", "Summarize the book below.\n\n{context}\n\nSummary:", 1200, RougeLsum},
    {"longdialogue_qa_eng",
     "Below is a dialogue script where one random occurrence of a character name is replaced with "
     "\"$$MASK$$\", and you should try to guess who that character is.\n\n{context}\n\nThe name "
     "that has been replaced with $$MASK$$ is likely",
     40, UpperCaseWordIn},
};

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

std::string Text(const nlohmann::json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

std::vector<std::string> TextList(const nlohmann::json& value) {
  std::vector<std::string> out;
  if (!value.is_array()) {
    if (!value.is_null()) out.push_back(Text(value));
    return out;
  }
  // A list of one list is that list (math_calc).
  if (value.size() == 1 && value[0].is_array()) return TextList(value[0]);
  for (const auto& item : value) out.push_back(Text(item));
  return out;
}

// "What is the largest number in the following list?" of "... The largest number of the list is".
std::string MathPrefix(const std::string& input) {
  const size_t begin = input.find("The ");
  const size_t end = input.rfind(" of");
  if (begin == std::string::npos || end == std::string::npos || end < begin) return "";
  return fmt::format("What is {} in the following list?",
                     LowerAscii(input.substr(begin, end - begin)));
}

// The first "func_12(-3)".
std::string FunctionCall(const std::string& input) {
  constexpr std::string_view kName = "func_";
  for (size_t at = input.find(kName); at != std::string::npos; at = input.find(kName, at + 1)) {
    size_t end = at + kName.size();
    const size_t digits = end;
    while (end < input.size() && IsDigit(input[end])) ++end;
    if (end == digits || end >= input.size() || input[end] != '(') continue;
    size_t close = end + 1;
    if (close < input.size() && input[close] == '-') ++close;
    const size_t argument = close;
    while (close < input.size() && IsDigit(input[close])) ++close;
    if (close > argument && close < input.size() && input[close] == ')') {
      return input.substr(at, close + 1 - at);
    }
  }
  return "";
}

bool IsChoice(const InfiniteBenchTaskInfo& task) {
  return task.prompt.find("{o3}") != std::string_view::npos;
}

}  // namespace

std::span<const InfiniteBenchTaskInfo> InfiniteBenchInfos() { return kTasks; }

Result<InfiniteBenchExample> ParseInfiniteBench(std::string_view json) {
  const Result<nlohmann::json> parsed = ParseJsonObject(json);
  if (!parsed.ok()) return parsed.status();
  const nlohmann::json& object = *parsed;
  InfiniteBenchExample e;
  const auto field = [&](const char* name) {
    const auto it = object.find(name);
    return it == object.end() ? nlohmann::json() : *it;
  };
  const auto context = object.contains("context") ? field("context") : field("content");
  if (!context.is_string()) return CorruptData("has no string \"context\"");
  e.context = context.get<std::string>();
  if (const auto input = field("input"); !input.is_null()) e.input = Text(input);
  e.answers = TextList(field("answer"));
  e.options = TextList(field("options"));
  if (e.answers.empty()) return CorruptData("has no \"answer\"");
  return e;
}

Result<std::string> InfiniteBenchPrompt(const InfiniteBenchTaskInfo& task,
                                        const InfiniteBenchExample& e) {
  std::string prompt(task.prompt);
  if (IsChoice(task)) {
    if (e.options.size() != 4) {
      return CorruptData(fmt::format("has {} options, must have 4", e.options.size()));
    }
    for (size_t i = 0; i < 4; ++i)
      prompt = Replace(prompt, fmt::format("{{o{}}}", i), e.options[i]);
  }
  if (task.name == "math_find") {
    const std::string prefix = MathPrefix(e.input);
    if (prefix.empty()) return CorruptData("has an input without \"The ... of\"");
    prompt = Replace(prompt, "{prefix}", prefix);
  }
  if (task.name == "code_run") {
    const std::string call = FunctionCall(e.input);
    if (call.empty()) return CorruptData("has an input without a call such as func_1(2)");
    prompt = Replace(prompt, "{func_call}", call);
    prompt = Replace(prompt, "{func}", call.substr(0, call.find('(')));
  }
  // The context last: braces in it are no slots.
  return Replace(Replace(prompt, "{input}", e.input), "{context}", e.context);
}

std::vector<std::string> InfiniteBenchLabels(const InfiniteBenchTaskInfo& task,
                                             const InfiniteBenchExample& e) {
  if (!IsChoice(task)) return e.answers;
  constexpr std::string_view kLetters = "ABCD";
  if (e.answers.size() == 2 && e.answers[1].size() == 1 &&
      kLetters.find(e.answers[1]) != std::string_view::npos) {
    return e.answers;
  }
  const auto at = std::find(e.options.begin(), e.options.end(), e.answers[0]);
  const std::string letter =
      at == e.options.end() ? ""
                            : std::string(1, kLetters[static_cast<size_t>(at - e.options.begin())]);
  return {e.answers[0], letter};
}

}  // namespace quarry::eval
