// A method's parameters as a table shows them.
#pragma once

#include <string>

#include "quarry/attention_setup.h"

namespace quarry::eval {

// "n_init=128 n_local=1024 ...": lengths and budgets always, other parameters where they differ
// from the method's defaults. Of both phases where they differ, "prefill: ...; decode: ...", and of
// layers of their own. Empty: none.
std::string DescribeParameters(const AttentionSetup& setup);

}  // namespace quarry::eval
