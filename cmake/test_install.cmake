# ctest: installs the build into an empty folder, builds examples/consumer against it and runs it.
# cmake -DBUILD_DIR= -DSOURCE_DIR= -DWORK_DIR= -P
function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE _code OUTPUT_VARIABLE _out ERROR_VARIABLE _err)
  if(NOT _code EQUAL 0)
    message(FATAL_ERROR "${ARGN}\nfailed with ${_code}\n${_out}\n${_err}")
  endif()
  set(output "${_out}" PARENT_SCOPE)
endfunction()

file(REMOVE_RECURSE ${WORK_DIR})
run(${CMAKE_COMMAND} --install ${BUILD_DIR} --prefix ${WORK_DIR}/installed)
run(${CMAKE_COMMAND} -S ${SOURCE_DIR}/examples/consumer -B ${WORK_DIR}/build
    -DCMAKE_PREFIX_PATH=${WORK_DIR}/installed -DCMAKE_BUILD_TYPE=Release)
run(${CMAKE_COMMAND} --build ${WORK_DIR}/build)
file(WRITE ${WORK_DIR}/document.txt
     "It was a long day. The pass key is 53817. Remember it. 53817 is the pass key. It rained.\n")
run(${WORK_DIR}/build/ask_a_document ${SOURCE_DIR}/models/needle-5m ${WORK_DIR}/document.txt
    "What is the pass key?")
if(NOT output MATCHES "53817")
  message(FATAL_ERROR "ask_a_document answered \"${output}\", not 53817")
endif()
run(${WORK_DIR}/installed/bin/quarry --version)
file(REMOVE_RECURSE ${WORK_DIR})
