#include "text/jinja/template.h"

#include <map>
#include <new>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "base/utf8.h"
#include "text/jinja/ast.h"
#include "text/jinja/dict.h"
#include "text/jinja/error.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/iterate.h"
#include "text/jinja/json.h"
#include "text/jinja/lexer.h"
#include "text/jinja/parser.h"
#include "text/jinja/resolve.h"

namespace quarry::jinja {
namespace {

Value ReadMessages(Runtime& rt, const std::vector<RenderInput::Turn>& turns) {
  ListBuilder messages(rt.heap());
  const auto text = [&](std::string_view s) {
    return IsValidUtf8(s) ? rt.Str(s, true) : rt.Str(ReplaceInvalidUtf8(s), true);
  };
  for (const RenderInput::Turn& turn : turns) {
    DictBuilder message(rt.heap());
    message.Set(rt.Str("role", true), text(turn.role));
    message.Set(rt.Str("content", true), text(turn.content));
    messages.Push(message.Finish().FromUser());
  }
  return messages.FinishList().FromUser();
}

Value ReadArguments(Runtime& rt, const RenderInput& input) {
  std::map<std::string, Value, std::less<>> all;
  const auto set = [&](std::string_view name, const Value& value, bool only_new) {
    const auto it = all.find(name);
    if (it == all.end()) {
      all.emplace(std::string(name), value);
    } else if (only_new) {
      ThrowValue(fmt::format("'{}' is given twice", name));
    } else {
      it->second = value;
    }
  };
  for (const RenderInput::Document& document : input.documents) {
    const Value value = ParseJson(rt, document.json, document.from_user);
    if (!value.is(Kind::kDict)) {
      ThrowType(fmt::format("JSON of type {}, must be an object", TypeName(value)));
    }
    for (const auto& [name, v] : value.dict().entries()) set(name.view(), v, document.only_new);
  }
  if (input.messages_json) {
    const Value messages = ParseJson(rt, *input.messages_json, true);
    if (!messages.is(Kind::kList)) {
      ThrowType(fmt::format("messages are JSON of type {}, must be an array", TypeName(messages)));
    }
    set("messages", messages, true);
  }
  if (input.messages) set("messages", ReadMessages(rt, *input.messages), true);
  DictBuilder arguments(rt.heap());
  for (const auto& [name, value] : all) arguments.Set(name, value);
  return arguments.Finish();
}

size_t InputBytes(const RenderInput& input) {
  size_t bytes = input.messages_json ? input.messages_json->size() : 0;
  for (const auto& document : input.documents) bytes += document.json.size();
  if (input.messages) {
    for (const auto& turn : *input.messages) bytes += turn.role.size() + turn.content.size();
  }
  return bytes;
}

}  // namespace

Result<Template> Template::Parse(std::string_view source, const Limits& limits) {
  if (source.size() > limits.source_bytes) {
    return InvalidArgument(fmt::format("template of {} bytes, at most {} are allowed",
                                       source.size(), limits.source_bytes));
  }
  if (const size_t bad = FindInvalidUtf8(source); bad != std::string_view::npos) {
    return InvalidArgument(fmt::format("template is not valid UTF-8 at byte {}", bad));
  }
  try {
    auto ast = std::make_shared<TemplateAst>(jinja::Parse(source, limits));
    Resolve(*ast);
    return Template(std::move(ast), limits);
  } catch (const SyntaxError& e) {
    return ToStatus({e.unsupported ? ErrorKind::kUnsupported : ErrorKind::kSyntax, e.message},
                    e.line);
  } catch (const Error& e) {
    return ToStatus(e, 0);
  } catch (const std::bad_alloc&) {
    return OutOfMemory("not enough memory to parse the template");
  }
}

Result<RenderedText> Template::Render(const RenderInput& input) const {
  Limits limits = limits_;
  const size_t input_bytes = InputBytes(input);
  if (input_bytes > limits.input_bytes) {
    return InvalidArgument(fmt::format("arguments of {} bytes, at most {} are allowed", input_bytes,
                                       limits.input_bytes));
  }
  limits.steps += limits.steps_per_input_byte * input_bytes;
  Runtime rt(limits, input.now);
  Value arguments;
  try {
    arguments = ReadArguments(rt, input);
  } catch (const Error& e) {
    return ToStatus(e, 0).WithPrefix("arguments");
  } catch (const std::bad_alloc&) {
    return OutOfMemory("not enough memory to read the arguments");
  }
  Interpreter interpreter(rt, *ast_, arguments);
  try {
    StrBuilder out(rt.heap());
    interpreter.Run(out);
    return RenderedText{out.TakeBytes(), out.TakeFlips()};
  } catch (const Error& e) {
    return ToStatus(e, interpreter.line());
  } catch (const std::bad_alloc&) {
    return OutOfMemory(fmt::format("line {}: not enough memory", interpreter.line()));
  }
}

}  // namespace quarry::jinja
