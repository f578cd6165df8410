// What a template may use up. A template is a program from outside; these bounds turn any of them
// into either text or an error within seconds and a known amount of memory.
#pragma once

#include <cstddef>
#include <cstdint>

namespace quarry::jinja {

struct Limits {
  size_t source_bytes = 4u << 20;         // template text
  size_t input_bytes = 256u << 20;        // JSON of messages and arguments
  int syntax_depth = 400;                 // nested expressions and statements in the source
  int value_depth = 128;                  // lists in lists, in templates and in JSON
  int call_depth = 200;                   // macros in macros, recursive loops
  int nesting = 2500;                     // statements and expressions being evaluated at one time
  uint64_t steps = 50'000'000;            // nodes evaluated, plus one per 16 bytes or 4 items moved
  uint64_t steps_per_input_byte = 2;      // more steps for longer conversations
  size_t memory_bytes = size_t{1} << 30;  // strings, lists and dicts alive at one time
  size_t output_bytes = 256u << 20;       // rendered text
};

// Python's own bounds that templates can meet.
constexpr int64_t kMaxRange = 100'000;  // items of range() in a sandbox
constexpr size_t kMaxArguments = 255;   // named ones of a call, parameters of a macro
constexpr size_t kMaxIntDigits = 4300;  // decimal digits of an integer

}  // namespace quarry::jinja
