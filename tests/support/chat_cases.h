// The conversations of a folder of tokenizer vectors, and what their templates made of them.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "quarry/chat.h"
#include "quarry/status.h"
#include "quarry/types.h"

namespace quarry::golden {

// A line of chat.jsonl, rendered.
struct ChatCase {
  std::string name;
  Result<std::vector<RenderedSegment>> rendered;              // the parts in a row are the text
  Result<std::vector<TokenId>> ids = std::vector<TokenId>{};  // of the text, where they are wanted

  bool want_error = false;
  std::string want_error_kind = {};     // "raise_exception" or "undefined"
  std::string want_error_message = {};  // of raise_exception
  std::string want_text = {};
  std::vector<TokenId> want_ids = {};  // no special tokens added to those of the text
};

// The clock of the vectors, for strftime_now.
inline constexpr auto kChatClock =
    std::chrono::local_days(std::chrono::year(2024) / 7 / 26) + std::chrono::hours(12);

// Renders every line of `folder`/chat.jsonl with the template of that folder and encodes it with
// its tokenizer.
Result<std::vector<ChatCase>> RenderChatCases(const std::filesystem::path& folder);

// A member of a JSON object as JSON text, integers of any size included; empty if there is none.
std::string MemberText(const std::string& object, std::string_view name);

std::string TextOf(const std::vector<RenderedSegment>& segments);

// Whether the text and its ids, or the kind and message of the error, are what was wanted; else
// `why` says what is wrong, in one line.
bool Matches(const ChatCase& chat_case, std::string* why);

}  // namespace quarry::golden
