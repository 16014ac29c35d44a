# SPDX-License-Identifier: Apache-2.0
# Lives the same seeds in two processes, at other addresses and with other bytes in fresh memory: all
# effects and records must be the same, which their common hash tells.
foreach(fill 0 165)
  execute_process(COMMAND ${CMAKE_COMMAND} -E env MALLOC_PERTURB_=${fill} ${SIM} --seeds 500
    OUTPUT_VARIABLE said RESULT_VARIABLE code)
  if(NOT code EQUAL 0)
    message(FATAL_ERROR "seeds fail: ${said}")
  endif()
  string(REGEX MATCH "hash [0-9a-f]+" hash_${fill} "${said}")
endforeach()
if(NOT hash_0 OR NOT hash_0 STREQUAL hash_165)
  message(FATAL_ERROR "two processes differ: ${hash_0}, ${hash_165}")
endif()
