// A Jinja template: parsed once, rendered often. What the chat templates are made with.
//
// Follows Python's Jinja2 3.1.6 in the environment that transformers sets up: immutable sandbox,
// trim_blocks, lstrip_blocks, loop controls, {% generation %}, tojson, raise_exception and
// strftime_now. docs/models.md lists what is left out.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "quarry/status.h"

#include "text/jinja/limits.h"
#include "text/jinja/runtime.h"

namespace quarry::jinja {

struct TemplateAst;

// Arguments of a rendering.
struct RenderInput {
  // A JSON object; its members are variables of the template. Those of later documents replace
  // those of earlier ones, unless the document says that it brings new ones only.
  struct Document {
    std::string_view json;
    bool from_user = true;  // whether its values count as the user's text
    bool only_new = false;
  };
  struct Turn {
    std::string_view role;
    std::string_view content;
  };

  std::vector<Document> documents;
  // If set, the variable `messages` as a JSON array, the user's.
  std::optional<std::string_view> messages_json;
  // If set, the variable `messages` too: a list of {"role", "content"}, the user's. Invalid UTF-8
  // is replaced by U+FFFD.
  std::optional<std::vector<Turn>> messages;
  WallTime now;
};

// Text and the byte offsets where its origin changes, the template's first (see str.h).
struct RenderedText {
  std::string text;
  std::vector<size_t> flips;
};

// Immutable; any thread may render.
class Template {
 public:
  // A mistake in the template is kInvalidArgument, "line 3: syntax error: ..."; what Quarry leaves
  // out is kUnsupported.
  static Result<Template> Parse(std::string_view source, const Limits& limits = {});

  // Errors: see ToStatus in error.h.
  Result<RenderedText> Render(const RenderInput& input) const;

 private:
  Template(std::shared_ptr<const TemplateAst> ast, const Limits& limits)
      : ast_(std::move(ast)), limits_(limits) {}

  std::shared_ptr<const TemplateAst> ast_;
  Limits limits_;
};

}  // namespace quarry::jinja
