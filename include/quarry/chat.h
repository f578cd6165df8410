// Chat templates: from a conversation to the text that a model continues.
//
// A template is Jinja as transformers runs it; docs/models.md says what is left out. Templates
// and conversations are hostile input: whatever they hold, rendering ends within seconds with text
// or with a Status.
#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "quarry/status.h"

namespace quarry {

struct ChatMessage {
  std::string role;  // "system", "user", "assistant", ...
  std::string content;
};

// A part of a rendered conversation. What comes from the caller's messages and arguments, character
// by character, is `from_user`; what the template wrote is not.
//
// To keep users from writing control tokens, join the texts, tokenize the whole, and let a special
// token count only where all of its characters lie in parts that are not from_user. Parts are no
// borders for anything else: ordinary tokens may reach across them.
struct RenderedSegment {
  std::string text;
  bool from_user = false;
};

struct RenderOptions {
  // Ask for the beginning of the assistant's turn at the end.
  bool add_generation_prompt = true;
  // More variables for the template, a JSON object: {"tools": [...], "enable_thinking": false}.
  // "tools" and "documents" are null unless given. Empty is {}.
  std::string kwargs_json = {};
  // The local wall-clock time that strftime_now prints; the system's if unset.
  std::optional<std::chrono::local_time<std::chrono::microseconds>> now = {};
  // Which of several named templates; empty for the usual choice: "tool_use" where there are tools
  // and such a template, else "default".
  std::string template_name = {};
};

// Immutable and cheap to copy; any thread may render.
class ChatTemplate {
 public:
  // Template text. `special_tokens`: "bos_token" -> "<s>" and so on, for the template to print.
  // Errors: kInvalidArgument with the line, kUnsupported for Jinja that Quarry leaves out.
  static Result<ChatTemplate> Parse(std::string_view source,
                                    const std::map<std::string, std::string>& special_tokens = {});

  // The template a model was published with: chat_template.jinja (and those in
  // additional_chat_templates/), else "chat_template" of tokenizer_config.json, one or a list of
  // named ones, else chat_template.json. Special tokens come from tokenizer_config.json, then
  // special_tokens_map.json. Of a GGUF file, named in place of a folder: tokenizer.chat_template
  // and tokenizer.chat_template.NAME. kNotFound if there is no template, kCorruptData if one is
  // broken.
  static Result<ChatTemplate> FromModelFolder(const std::filesystem::path& folder);

  // One of BuiltInNames(). An unknown name is kInvalidArgument and names the nearest.
  static Result<ChatTemplate> BuiltIn(std::string_view conv_type);
  static std::vector<std::string_view> BuiltInNames();

  // The conversation as text. Errors are one line, "chat template: line 4: ...":
  //   kInvalidArgument  the template refuses the conversation ("raise_exception: " and its
  //   message),
  //                     uses something undefined ("undefined: ..."), fails otherwise, or does not
  //                     end; also arguments that are no valid JSON
  //   kUnsupported      the template asks for something that Quarry leaves out
  //   kOutOfMemory      the template holds more memory than a template may
  Result<std::string> Render(std::span<const ChatMessage> messages,
                             const RenderOptions& options = {}) const;
  Result<std::vector<RenderedSegment>> RenderSegments(std::span<const ChatMessage> messages,
                                                      const RenderOptions& options = {}) const;

  // The same for messages with more than role and content, a JSON array of objects: tool calls,
  // content in parts, ... Every string, number and name in it is the user's.
  Result<std::string> RenderJson(std::string_view messages_json,
                                 const RenderOptions& options = {}) const;
  Result<std::vector<RenderedSegment>> RenderSegmentsJson(std::string_view messages_json,
                                                          const RenderOptions& options = {}) const;

  // Names of the templates; "default" alone if it is the only one.
  std::vector<std::string> names() const;

  // Whether the text leaves the BOS token to the tokenizer, as the built-in vicuna and minicpm do.
  // Other templates write theirs: encode their text without adding special tokens.
  bool leaves_bos_to_tokenizer() const;

  struct Impl;

 private:
  explicit ChatTemplate(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}

  std::shared_ptr<const Impl> impl_;
};

}  // namespace quarry
