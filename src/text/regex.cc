#include "text/regex.h"

#include <algorithm>
#include <cstdint>

#include <fmt/format.h>
#include <pcre2.h>

#include "base/quoted.h"
#include "base/utf8.h"
#include "text/regex_syntax.h"
#include "text/unicode.h"

namespace quarry::text {
namespace {

constexpr size_t kMaxPatternBytes = 64 << 10;
// Steps of all matches of a RegexMatcher together: this, and so many for each byte of its texts.
// Published expressions need 15 a byte at most.
constexpr uint64_t kMinSteps = 1'000'000;
constexpr uint64_t kStepsPerByte = 200;
// PCRE2's own count of steps of one match at first, and how it grows if that is not enough.
constexpr uint64_t kFirstMatchLimit = 256;
constexpr uint64_t kMatchLimitGrowth = 4;
// Stack of compiled code, reserved when a match needs more than 32 KiB; and the heap of PCRE2's
// interpreter, which takes over where that stack ends.
constexpr size_t kMaxJitStackBytes = 64 << 20;
constexpr uint32_t kMaxHeapKiB = 256 << 10;

struct FreeCode {
  void operator()(pcre2_code* p) const { pcre2_code_free(p); }
};
struct FreeContext {
  void operator()(pcre2_match_context* p) const { pcre2_match_context_free(p); }
};
struct FreeData {
  void operator()(pcre2_match_data* p) const { pcre2_match_data_free(p); }
};
struct FreeStack {
  void operator()(pcre2_jit_stack* p) const { pcre2_jit_stack_free(p); }
};

std::string ErrorText(int code) {
  PCRE2_UCHAR buffer[256];
  if (pcre2_get_error_message(code, buffer, sizeof buffer) < 0) return fmt::format("code {}", code);
  return reinterpret_cast<const char*>(buffer);
}

PCRE2_SPTR Bytes(std::string_view s) {
  // PCRE2 takes no null pointer, not even for an empty text.
  return reinterpret_cast<PCRE2_SPTR>(s.data() == nullptr ? "" : s.data());
}

// `text` with characters that PCRE2 does not know replaced by older ones of the same length, if
// there are any; `copy` holds it then.
std::string_view KnownToPcre2(std::string_view text, std::string& copy) {
  copy.clear();
  for (size_t i = 0; i < text.size();) {
    if (static_cast<unsigned char>(text[i]) < 0xE0) {  // nothing new below U+0800
      ++i;
      continue;
    }
    const Utf8Step step = DecodeUtf8(text, i);
    const char32_t older = OlderEquivalent(step.code_point);
    if (older != step.code_point) {
      if (copy.empty()) copy = text;
      std::string bytes;
      AppendUtf8(older, bytes);
      copy.replace(i, bytes.size(), bytes);
    }
    i += static_cast<size_t>(step.length);
  }
  return copy.empty() ? text : std::string_view(copy);
}

}  // namespace

struct Regex::Code {
  std::unique_ptr<pcre2_code, FreeCode> code;
  bool jit = false;
  std::string shown;
};

Regex::Regex(std::unique_ptr<const Code> code) : code_(std::move(code)) {}
Regex::Regex(Regex&&) noexcept = default;
Regex& Regex::operator=(Regex&&) noexcept = default;
Regex::~Regex() = default;

Result<Regex> Regex::Compile(std::string_view pattern) {
  const auto where = [&] { return fmt::format("pattern {}", Quoted(pattern)); };
  if (pattern.size() > kMaxPatternBytes) {
    return Unsupported(fmt::format("{}: {} bytes, at most {} are allowed", where(), pattern.size(),
                                   kMaxPatternBytes));
  }
  if (!IsValidUtf8(pattern)) return InvalidArgument(where() + ": not UTF-8");
  const Result<std::string> translated = TranslatePattern(pattern, /*count_repeats=*/true);
  if (!translated.ok()) return translated.status().WithPrefix(where());

  std::unique_ptr<pcre2_compile_context, void (*)(pcre2_compile_context*)> context(
      pcre2_compile_context_create(nullptr), pcre2_compile_context_free);
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  int error = 0;
  PCRE2_SIZE offset = 0;
  auto code = std::make_unique<Code>();
  code->code.reset(pcre2_compile(Bytes(*translated), translated->size(),
                                 PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE, &error, &offset,
                                 context.get()));
  if (code->code == nullptr) {
    return InvalidArgument(fmt::format("{}: {}", where(), ErrorText(error)));
  }
  code->jit = pcre2_jit_compile(code->code.get(), PCRE2_JIT_COMPLETE) == 0;
  code->shown = Quoted(pattern);
  return Regex(std::unique_ptr<const Code>(std::move(code)));
}

struct RegexMatcher::State {
  const Regex::Code* code;
  std::unique_ptr<pcre2_match_context, FreeContext> context;
  std::unique_ptr<pcre2_match_data, FreeData> data;
  std::unique_ptr<pcre2_jit_stack, FreeStack> stack;
  std::string copy;
  // PCRE2 counts groups and backtracking, not the characters that a repeat runs over. So a callout
  // behind each repeat counts those, by how far the position moved; what PCRE2 counts is bounded
  // for each match and charged when it is not little.
  uint64_t steps_left = kMinSteps;
  size_t position = 0;

  bool Spend(uint64_t steps) {
    const bool enough = steps <= steps_left;
    steps_left = enough ? steps_left - steps : 0;
    return enough;
  }
  static int OnRepeat(pcre2_callout_block* block, void* state);
  int MatchAt(std::string_view text, size_t start);
  int MatchOnce(std::string_view text, size_t start);
};

int RegexMatcher::State::OnRepeat(pcre2_callout_block* block, void* state) {
  State& s = *static_cast<State*>(state);
  const size_t at = block->current_position;
  const size_t moved = at > s.position ? at - s.position : s.position - at;
  s.position = at;
  return s.Spend(1 + moved) ? 0 : PCRE2_ERROR_CALLOUT;
}

RegexMatcher::RegexMatcher(const Regex& regex) : state_(std::make_unique<State>()) {
  state_->code = regex.code_.get();
  state_->context.reset(pcre2_match_context_create(nullptr));
  state_->data.reset(pcre2_match_data_create(1, nullptr));
  pcre2_set_heap_limit(state_->context.get(), kMaxHeapKiB);
  pcre2_set_callout(state_->context.get(), State::OnRepeat, state_.get());
}
RegexMatcher::RegexMatcher(RegexMatcher&&) noexcept = default;
RegexMatcher::~RegexMatcher() = default;

// PCRE2's result for the first match at or after `start`; PCRE2_ERROR_CALLOUT if the steps are used
// up.
int RegexMatcher::State::MatchAt(std::string_view text, size_t start) {
  for (uint64_t limit = kFirstMatchLimit;; limit *= kMatchLimitGrowth) {
    pcre2_set_match_limit(context.get(),
                          static_cast<uint32_t>(std::min<uint64_t>(limit, UINT32_MAX)));
    position = start;
    const int rc = MatchOnce(text, start);
    if (rc != PCRE2_ERROR_MATCHLIMIT) return rc;
    if (!Spend(limit)) return PCRE2_ERROR_CALLOUT;
  }
}

int RegexMatcher::State::MatchOnce(std::string_view text, size_t start) {
  const pcre2_code* re = code->code.get();
  if (code->jit) {
    int rc = pcre2_jit_match(re, Bytes(text), text.size(), start, PCRE2_NO_UTF_CHECK, data.get(),
                             context.get());
    if (rc == PCRE2_ERROR_JIT_STACKLIMIT && stack == nullptr) {
      stack.reset(pcre2_jit_stack_create(64 << 10, kMaxJitStackBytes, nullptr));
      pcre2_jit_stack_assign(context.get(), nullptr, stack.get());
      rc = pcre2_jit_match(re, Bytes(text), text.size(), start, PCRE2_NO_UTF_CHECK, data.get(),
                           context.get());
    }
    if (rc != PCRE2_ERROR_JIT_STACKLIMIT) return rc;
  }
  return pcre2_match(re, Bytes(text), text.size(), start, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT,
                     data.get(), context.get());
}

Status RegexMatcher::Split(std::string_view text, std::vector<Match>& out) {
  if (text.empty()) {
    out.push_back({0, 0, false});
    return OkStatus();
  }
  const std::string_view subject = KnownToPcre2(text, state_->copy);
  state_->steps_left += kStepsPerByte * text.size();

  size_t covered = 0;  // everything before is in `out`
  size_t search = 0;
  bool matched = false;
  while (search <= text.size()) {
    const int rc = state_->MatchAt(subject, search);
    if (rc == PCRE2_ERROR_NOMATCH) break;
    if (rc == PCRE2_ERROR_CALLOUT) {
      return InvalidArgument(
          fmt::format("pattern {} on a text of {} bytes: more than {} steps a byte and {} for all",
                      state_->code->shown, text.size(), kStepsPerByte, kMinSteps));
    }
    if (rc < 0) {
      return InvalidArgument(fmt::format("pattern {} on a text of {} bytes: {}",
                                         state_->code->shown, text.size(), ErrorText(rc)));
    }
    const PCRE2_SIZE* ovector = pcre2_get_ovector_pointer(state_->data.get());
    const size_t end = ovector[1];
    const size_t begin = std::min<size_t>(ovector[0], end);  // \K in a lookahead may swap them
    state_->Spend(1 + (end > search ? end - search : search - end));
    if (begin < covered || (begin == end && matched && end == covered)) {
      if (search >= text.size()) break;
      search += static_cast<size_t>(DecodeUtf8(text, search).length);
      continue;
    }
    if (covered < begin) out.push_back({covered, begin, false});
    out.push_back({begin, end, true});
    covered = search = end;
    matched = true;
  }
  if (covered < text.size()) out.push_back({covered, text.size(), false});
  return OkStatus();
}

}  // namespace quarry::text
