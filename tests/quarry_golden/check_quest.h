// The parts of the check of Quest's golden vectors.
#pragma once

#include "tests/quarry_golden/case_checks.h"

namespace quarry::golden {

// H2O, TOVA and StreamingLLM over one prompt and some steps.
void CheckEvictionBaselines(CaseChecks& checks);

}  // namespace quarry::golden
