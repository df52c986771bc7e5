/* Functions that lose lengths or errors: included last of all headers, so that no source can use them. */
#ifndef ECL_BANNED_H_
#define ECL_BANNED_H_

#undef sprintf
#undef vsprintf
#pragma GCC poison strcpy strcat strncat sprintf vsprintf gets strtok atoi atol atoll

#endif
