"""A service that speaks as OpenAI's /v1/embeddings does, on loopback, and misbehaves as the file `mode' says.

embed-stub.py DIR [PORT]: writes DIR/port, reads DIR/mode at each request, appends a line to DIR/requests: path, key, number of texts.
The vector of a text: its length, its first letter's code, 1.
"""
import http.server
import json
import os
import sys
import time

DIR = sys.argv[1]


def vector(text):
    return [len(text.encode()), ord(text[0]), 1.0]


class Handler(http.server.BaseHTTPRequestHandler):
    count = 0

    def log_message(self, *_):
        pass

    def answer(self, code, body, headers=()):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(code)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header('Content-Type', 'application/json')
        self.send_header('Content-Length', str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_POST(self):
        Handler.count += 1
        asked = json.loads(self.rfile.read(int(self.headers['Content-Length'])))
        texts = asked['input']
        with open(os.path.join(DIR, 'requests'), 'a') as f:
            f.write(f"{self.path} {self.headers.get('Authorization', '-')} {asked.get('model', '-')} {len(texts)}\n")
        with open(os.path.join(DIR, 'mode')) as f:
            mode = f.read().split()
        data = [{'object': 'embedding', 'index': i, 'embedding': vector(t)} for i, t in enumerate(texts)]
        kind = mode[0]
        if kind == 'fails':  # a number of times, with a status
            if int(mode[2]) > 0:
                with open(os.path.join(DIR, 'mode'), 'w') as f:
                    f.write(f'fails {mode[1]} {int(mode[2]) - 1}')
                return self.answer(int(mode[1]), {'error': {'message': 'try\nlater', 'type': 'x'}}, [('Retry-After', '0')])
        elif kind == 'says':  # a status, with a text
            return self.answer(int(mode[1]), ' '.join(mode[2:]).encode())
        elif kind == 'slow':
            time.sleep(float(mode[1]))
        elif kind == 'backwards':
            data.reverse()
        elif kind == 'short':
            data.pop()
        elif kind == 'twice':
            data[-1]['index'] = 0
        elif kind == 'nan':
            data[0]['embedding'][0] = float('nan')
        elif kind == 'text':
            data[0]['embedding'] = 'AACAPw=='
        elif kind == 'garbage':
            return self.answer(200, b'<html>')
        elif kind == 'redirect':
            return self.answer(302, b'', [('Location', 'http://127.0.0.1:9/')])
        elif kind == 'cut':
            self.send_response(200)
            self.send_header('Content-Length', '100000')
            self.end_headers()
            self.wfile.write(b'{"data":[')
            self.close_connection = True
            return None
        elif kind == 'bare':
            for item in data:
                del item['index'], item['object']
        return self.answer(200, {'object': 'list', 'data': data, 'model': 'stub', 'usage': {}})


server = http.server.ThreadingHTTPServer(('127.0.0.1', int(sys.argv[2]) if len(sys.argv) > 2 else 0), Handler)
with open(os.path.join(DIR, 'port.tmp'), 'w') as out:
    out.write(str(server.server_address[1]))
os.rename(os.path.join(DIR, 'port.tmp'), os.path.join(DIR, 'port'))
server.serve_forever()
