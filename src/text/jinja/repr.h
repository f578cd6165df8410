// str() and repr() of values, as Python prints them.
#pragma once

#include "text/jinja/value.h"

namespace quarry::jinja {

class Runtime;

// Appends str(v). Digits, brackets and quotes of values that are the user's count as the user's.
void AppendStr(Runtime& rt, const Value& value, StrBuilder& out);

// Appends repr(v). With `from_user` everything counts as the user's.
void AppendRepr(Runtime& rt, const Value& value, bool from_user, StrBuilder& out);

// str(v) as a string value; a string is returned as it is, HTML mark included (soft_str).
StrPtr SoftStr(Runtime& rt, const Value& value);
// The same without the HTML mark (str).
StrPtr ToStr(Runtime& rt, const Value& value);

// For messages: repr(v), shortened.
std::string ReprText(Runtime& rt, const Value& value);

}  // namespace quarry::jinja
